"""A pool of Blender processes: Ray actors, on this machine or on a cluster.

Each actor has one scene at a time. An actor that dies, hangs or has made its share of
scenes is replaced; only the scene it had is made again. A scene that takes down three
actors ends the run and is named.

Ray's own servers listen on every interface of this machine. What guards them is Ray's
token (``~/.ray/auth_token``), which it asks for by itself; ``RAY_AUTH_MODE`` is left
alone here.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from igllm_pipelines.render.config import RenderingConfig

logger = logging.getLogger(__name__)
MAX_CRASHES = 3
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else ray warns about its own plans
}


class RenderError(RuntimeError):
    """A scene that cannot be rendered: says which, and what happened."""


@dataclass
class Task:
    """One call of an actor's method; `name` says in errors what it makes."""

    name: str
    method: str
    arguments: tuple[Any, ...]
    crashes: int = 0


@dataclass
class _Slot:
    """The place of one actor in the pool."""

    actor: Any = None
    done: int = 0
    task: Task | None = None
    started: float = field(default_factory=time.monotonic)


class RenderPool:
    """A context in which actors render.

    Args:
        config: how many actors, how often they are replaced, where they run.
        worker: class of the actors, given `arguments`.
    """

    def __init__(
        self, config: RenderingConfig, worker: type, arguments: tuple[Any, ...]
    ) -> None:
        self._config = config
        self._worker = worker
        self._arguments = arguments
        self._slots: list[_Slot] = []
        self._own_ray = False

    def __enter__(self) -> "RenderPool":
        os.environ.update({k: v for k, v in _QUIET.items() if k not in os.environ})
        import ray

        logging.getLogger("ray").setLevel(logging.ERROR)
        if not ray.is_initialized():
            self._own_ray = True
            ray.init(**self._ray_options(), configure_logging=False)
        actor = ray.remote(num_cpus=1, max_restarts=0)(self._worker)
        self._new_actor: Callable[[], Any] = lambda: actor.remote(*self._arguments)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import ray

        for slot in self._slots:
            self._retire(slot)
        if self._own_ray:
            ray.shutdown()

    def map(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any]]:
        """Yields every task with its result, in the order in which they finish.

        Raises:
            RenderError: a task killed its actor three times.
            Exception: whatever a task raised by itself.
        """
        import ray

        queue = deque(tasks)
        workers = min(self._config.num_workers, len(queue))
        self._slots = [_Slot() for _ in range(workers)]
        running: dict[Any, _Slot] = {}
        while queue or running:
            for slot in self._slots:
                if slot.task is None and queue:
                    running[self._give(slot, queue.popleft())] = slot
            ready, _ = ray.wait(list(running), timeout=1.0)
            late = [ref for ref, slot in running.items() if self._is_late(slot)]
            for ref in {*ready, *late}:
                slot = running.pop(ref)
                task, slot.task = slot.task, None
                assert task is not None
                result = self._collect(ref if ref in ready else None, task, slot)
                if result is _CRASHED:
                    queue.appendleft(task)
                else:
                    yield task, result

    def _ray_options(self) -> dict[str, Any]:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self._config.ray_address is not None:
            return {"address": self._config.ray_address, **quiet}
        return {
            "address": "local",
            "num_cpus": self._config.num_workers,
            "include_dashboard": False,
            "object_store_memory": 100 * 2**20,  # pictures are small
            **quiet,
        }

    def _give(self, slot: _Slot, task: Task) -> Any:
        if slot.done >= self._config.scenes_per_worker:
            self._retire(slot)
        if slot.actor is None:
            slot.actor, slot.done = self._new_actor(), 0
        slot.task, slot.started = task, time.monotonic()
        return getattr(slot.actor, task.method).remote(*task.arguments)

    def _is_late(self, slot: _Slot) -> bool:
        return time.monotonic() - slot.started > self._config.scene_timeout_s

    def _collect(self, ref: Any, task: Task, slot: _Slot) -> Any:
        """The result of a task, or `_CRASHED`; `ref` is None for a late one."""
        import ray

        slot.done += 1
        reason = f"no picture after {self._config.scene_timeout_s:g} s"
        if ref is not None:
            try:
                return ray.get(ref)
            except ray.exceptions.RayTaskError as error:
                logger.debug("%s", error)  # the worker's own traceback
                cause = error.cause or error
                cause.add_note(f"in a render worker, at {task.name}")
                raise cause from None
            except ray.exceptions.RayError as error:
                reason = f"its process died: {str(error).splitlines()[0]}"
        self._retire(slot)
        task.crashes += 1
        if task.crashes >= MAX_CRASHES:
            raise RenderError(
                f"{task.name}: given up after {MAX_CRASHES} tries, {reason}"
            )
        logger.warning("%s: %s; trying again with a new worker", task.name, reason)
        return _CRASHED

    def _retire(self, slot: _Slot) -> None:
        import ray

        if slot.actor is not None:
            with suppress(ray.exceptions.RayError):
                ray.kill(slot.actor)
        slot.actor = None


_CRASHED = object()
