"""Training by several processes that Ray Train starts, on this machine or a cluster.

The first weights, the checkpoints and the result lie in the run's folder, which all
machines must share. A process that dies takes the others with it; the group is started
again and goes on from the last whole checkpoint. Every machine of a cluster needs this
package and, as for rendering, RAY_ADDRESS names the cluster.
"""

import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.model.storage import (
    load_model,
    load_stored,
    save_model,
    stored_weights,
)
from igllm_pipelines.model.vision import VisionSource
from igllm_pipelines.tokens.sequences import ProgramTokens
from igllm_pipelines.train.callbacks import Validate
from igllm_pipelines.train.checkpoints import CheckpointError
from igllm_pipelines.train.config import TrainingConfig
from igllm_pipelines.train.loop import Record
from igllm_pipelines.train.trainer import NonFiniteLossError

logger = logging.getLogger(__name__)

MAX_RESTARTS = 3
_FIRST, _RESULT, _HISTORY = ".first", ".trained", "history.json"
# errors that the same training would meet again
_LASTING = (CheckpointError, NonFiniteLossError, ValueError, TypeError, ImportError)
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
}


class LaunchError(RuntimeError):
    """The processes of a training died again and again, or did not start."""


@dataclass(frozen=True)
class Job:
    """What a worker needs besides the first weights; see `run.train_on_split`."""

    tokens: ProgramTokens
    vision: VisionSource
    split: str
    config: TrainingConfig
    folder: Path
    seed: int
    validate: Validate | None
    title: str
    directory: Path = field(default_factory=Path.cwd)
    python_path: tuple[str, ...] = field(default_factory=lambda: tuple(sys.path))


def train_with_ray(model: IGLLM, job: Job) -> list[Record]:
    """Trains `model` in place by ``config.workers`` processes, one GPU each if any.

    The result is that of `run.train_on_split`.

    Raises:
        LaunchError: the processes died `MAX_RESTARTS` times, or did not start.
        Exception: what a worker raised.
    """
    folder = job.folder.resolve()
    job = replace(job, folder=folder)
    save_model(model, folder / _FIRST)
    try:
        with _ray(job.config.workers):
            _fit(job)
        trained = load_model(folder / _RESULT)
        load_stored(model, stored_weights(trained), folder / _RESULT)
        history: list[Record] = json.loads(
            (folder / _RESULT / _HISTORY).read_text(encoding="utf-8")
        )
    finally:
        for name in (_FIRST, _RESULT):
            shutil.rmtree(folder / name, ignore_errors=True)
    model.eval()
    return history


@contextmanager
def _ray(workers: int) -> Iterator[None]:
    """Ray, ours for a while unless there is one."""
    missing = {k: v for k, v in _ENVIRONMENT.items() if k not in os.environ}
    os.environ.update(missing)
    import ray

    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    cores = {} if address else {"num_cpus": max(workers, os.cpu_count() or 1)}
    try:
        ray.init(
            address=address,
            include_dashboard=False,
            logging_level=logging.ERROR,
            **cores,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = f"the cluster at {address}" if address else "Ray on this machine"
        raise LaunchError(f"{where} cannot be had: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _fit(job: Job) -> None:
    """Runs the group until it ends well; starts it again where a process died."""
    failures: list[Exception] = []
    for restart in range(MAX_RESTARTS + 1):
        failures = _fit_once(job)
        if not failures:
            return
        for error in failures:
            if isinstance(error, _LASTING):
                raise error
        logger.warning(
            "a training process died (%s); %s",
            "; ".join(str(error).partition("\n")[0] for error in failures),
            "all are started again from the last whole checkpoint"
            if restart < MAX_RESTARTS
            else "that was the last try",
        )
    raise LaunchError(
        f"{job.title}: its processes died {MAX_RESTARTS + 1} times; the last reason: "
        f"{failures[0]}"
    ) from failures[0]


def _fit_once(job: Job) -> list[Exception]:
    """What the workers raised, nothing where they ended well."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    gpu = torch.cuda.is_available()
    with TemporaryDirectory(prefix="igllm-train-") as scratch:
        trainer = TorchTrainer(
            _work,
            train_loop_config={"job": job},
            torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
            scaling_config=ScalingConfig(num_workers=job.config.workers, use_gpu=gpu),
            run_config=RunConfig(storage_path=scratch, name="train"),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            failures = getattr(error, "worker_failures", None) or {0: error}
            return [_cause(failure) for failure in failures.values()]
    return []


def _cause(error: Exception) -> Exception:
    """What the worker itself raised, out of Ray's wrapping."""
    inner = getattr(error, "cause", None) or error.__cause__
    return inner if isinstance(inner, Exception) else error


def _work(settings: dict[str, Any]) -> None:
    """A worker's part; the first one leaves the result in the folder."""
    job: Job = settings["job"]
    sys.path.extend(path for path in job.python_path if path not in sys.path)
    os.chdir(job.directory)  # Ray moved it; relative paths are the caller's
    from igllm_pipelines.quiet import be_quiet
    from igllm_pipelines.train import group
    from igllm_pipelines.train.run import train_on_split

    be_quiet()
    model = load_model(job.folder / _FIRST)
    history = train_on_split(
        model,
        job.tokens,
        job.vision,
        job.split,
        config=job.config,
        folder=job.folder,
        seed=job.seed,
        validate=job.validate,
        title=job.title,
    )
    if group.rank() == 0:
        save_model(model, job.folder / _RESULT)
        text = json.dumps(history)
        (job.folder / _RESULT / _HISTORY).write_text(text, encoding="utf-8")
