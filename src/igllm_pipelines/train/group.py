"""The processes that train together, as their launcher describes them.

Ray Train, ``torchrun`` and ``deepspeed`` all set RANK, WORLD_SIZE and the address of
the first process in the environment.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from igllm_pipelines.train.config import TrainingConfig


def is_launched() -> bool:
    """Whether a launcher started this process as one of a group."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def rank() -> int:
    """Number of this process in its group; 0 where it is alone."""
    return int(os.environ["RANK"]) if is_launched() else 0


def size() -> int:
    """How many processes train together."""
    return int(os.environ["WORLD_SIZE"]) if is_launched() else 1


def threads(config: TrainingConfig) -> int:
    """Torch threads of this process: the cores are shared by those of a machine."""
    here = _on_this_machine() if is_launched() else 1
    if config.num_threads or here == 1:
        return config.num_threads
    return max(1, (os.cpu_count() or 1) // here)


def _on_this_machine() -> int:
    """Processes of the group here; ``deepspeed`` has its own name for them."""
    names = ("LOCAL_WORLD_SIZE", "LOCAL_SIZE")
    return next((int(os.environ[name]) for name in names if name in os.environ), 1)


def micro_batch_size(config: TrainingConfig) -> int:
    """Images that go through the model at a time in one process.

    Raises:
        ValueError: the batch cannot be shared out evenly, or the configuration asks
            for another number of processes than there are.
    """
    if config.workers > 1 and config.workers != size():
        raise ValueError(
            f"training.workers is {config.workers}, but {size()} processes were "
            "started; set it to 1 where torchrun or deepspeed starts them"
        )
    pieces = size() * config.gradient_accumulation
    if config.batch_size % pieces:
        raise ValueError(
            f"batch_size {config.batch_size} counts the images of all processes; it "
            f"must be a multiple of {size()} processes x gradient_accumulation "
            f"{config.gradient_accumulation}"
        )
    return config.batch_size // pieces


@contextmanager
def group_of_one(needed: bool) -> Iterator[None]:
    """Describes a group of this process alone, which DeepSpeed needs.

    Args:
        needed: False, or a launcher's description, leaves everything as it is.
    """
    if not needed or is_launched():
        yield
        return
    described = {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    before = {name: os.environ.get(name) for name in described}
    os.environ.update(described)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
