"""Processes that begin with everything imported: a start costs no ten seconds each.

They are forked from a server that has read the libraries and done nothing else; what
they raise is written down.
"""

import multiprocessing
import os
import traceback
from pathlib import Path

import torch

from igllm_pipelines.train.group import _free_port

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tests.train.together", "deepspeed", "peft"])


def run_processes(target, *arguments, folder, size=1, timeout=200):
    """Calls `target` in one process, or in several as torchrun would; exit codes.

    Returns:
        The codes, negative signals where a process was killed, and what was raised.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    described = [(rank, size, port) if size > 1 else None for rank in range(size)]
    processes = [
        SERVER.Process(
            target=_call, args=(target, arguments, group, folder / f"error_{rank}")
        )
        for rank, group in enumerate(described)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
    errors = [path.read_text() for path in sorted(folder.glob("error_*"))]
    return [process.exitcode for process in processes], "\n".join(errors)


def succeeded(target, *arguments, **settings):
    """`run_processes`, of which none may fail."""
    codes, errors = run_processes(target, *arguments, **settings)
    assert set(codes) == {0}, f"{codes}\n{errors}"


def _call(target, arguments, group, report: Path):
    torch.set_num_threads(1)
    if group is not None:
        rank, size, port = group
        names = {"RANK": rank, "LOCAL_RANK": rank, "MASTER_PORT": port}
        names |= {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
        os.environ.update({name: str(value) for name, value in names.items()})
        os.environ["MASTER_ADDR"] = "127.0.0.1"
    try:
        target(*arguments)
    except BaseException:
        report.write_text(traceback.format_exc())
        raise
