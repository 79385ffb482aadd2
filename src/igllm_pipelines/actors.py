"""A pool of worker processes: Ray actors, on this machine or on a cluster.

Each actor has one task at a time and gets the next before the finished one is taken
care of. An actor that dies, hangs or has done its share of tasks is replaced; only
the task it had is done again. A task that takes down three actors ends the run and is
named; the loss of a whole machine is no fault of the tasks that were on it.

An actor takes one CPU, and a GPU if it is to have one and there are any. Where the
cluster has none free it waits, and whatever machine joins later is used. Every machine
of a cluster needs this package.

Ray's own servers listen on every interface of this machine. What guards them is Ray's
token (``~/.ray/auth_token``), which it asks for by itself; ``RAY_AUTH_MODE`` is left
alone here.
"""

import logging
import math
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Any, Self

logger = logging.getLogger(__name__)
MAX_CRASHES = 3
PATIENCE_S = 60.0  # without any actor at work: then it is said
CONNECT_S = 10.0  # to a cluster
RECOUNT_S = 5.0  # between two looks at the size of the cluster
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else ray warns about its own plans
    "RAY_worker_niceness": "0",  # ray's default of 15 lets everything else go first
}
# glibc keeps up to eight heaps a core: on two cores an actor grew by 250 MB
_WORKER_ENVIRONMENT = {"env_vars": {"MALLOC_ARENA_MAX": "2"}}


class PoolError(RuntimeError):
    """A task that cannot be done, or no actors: says which, and what happened."""

    def __init__(self, text: str, given_up: str | None = None) -> None:
        super().__init__(text)
        self.given_up = given_up  # name of a task that killed its actors


@dataclass(frozen=True)
class PoolConfig:
    """Which actors there are.

    Attributes:
        workers: that work at the same time.
        grows: on a cluster, as many work as it has CPUs, whatever `workers` is.
        address: of a running Ray cluster; None starts Ray on this machine.
        kind: what an actor is called in messages.
        tasks_per_actor: after so many tasks an actor is replaced.
        timeout_s: an actor that needs longer for a task is killed.
        gpus: each actor has a GPU of its own, where there are any.
        store_mib: memory for what is sent to actors and back, on this machine.
        error: raised for what the pool cannot do.
    """

    workers: int
    grows: bool = False
    address: str | None = None
    kind: str = "worker"
    tasks_per_actor: float = math.inf
    timeout_s: float = math.inf
    gpus: bool = False
    store_mib: int = 100
    error: type[PoolError] = PoolError


@dataclass
class Task:
    """One call of an actor's method; `name` says in errors what it makes."""

    name: str
    method: str
    arguments: tuple[Any, ...]
    crashed_on: list[str] = field(default_factory=list)  # machines, once a crash


@dataclass
class _Slot:
    """One actor, and the start or the result of a task that it is waited for."""

    actor: Any
    waits_for: Any
    node: str | None = None  # until it has found a free CPU
    task: Task | None = None
    since: float = field(default_factory=time.monotonic)
    done: int = 0


class ActorPool:
    """A context in which actors work.

    Args:
        config: how many actors, how often they are replaced, where they run.
        worker: class of the actors, given `arguments`.
    """

    def __init__(
        self, config: PoolConfig, worker: type, arguments: tuple[Any, ...]
    ) -> None:
        self._config = config
        self._worker = worker
        self._arguments = arguments
        self._slots: list[_Slot] = []
        self._queue: deque[Task] = deque()
        self._failed_starts = 0
        self._own_ray = False

    def __enter__(self) -> Self:
        missing = {k: v for k, v in _ENVIRONMENT.items() if k not in os.environ}
        os.environ.update(missing)
        # as it is imported in a notebook, Ray asks for ipywidgets
        logging.getLogger("ray.widgets").setLevel(logging.ERROR)
        import ray

        logging.getLogger("ray").setLevel(logging.ERROR)
        if not ray.is_initialized():
            self._own_ray = True
            self._start_ray()
        options: dict[str, Any] = {
            "num_cpus": 1,
            "max_restarts": 0,
            "runtime_env": _WORKER_ENVIRONMENT,
        }
        if self._config.gpus and ray.cluster_resources().get("GPU", 0) >= 1:
            options["num_gpus"] = 1
        actor = ray.remote(**options)(self._worker)
        self._new_actor: Callable[[], Any] = lambda: actor.remote(*self._arguments)
        self._num_workers = self._count_workers()
        self._counted_at = self._idle_since = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import ray

        for slot in list(self._slots):
            self._retire(slot)
        if self._own_ray:
            ray.shutdown()

    @property
    def num_workers(self) -> int:
        """Actors that work at the same time, where that many CPUs are free."""
        if time.monotonic() - self._counted_at > RECOUNT_S:
            self._num_workers = self._count_workers()
            self._counted_at = time.monotonic()
        return self._num_workers

    def map(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any]]:
        """Yields every task with its result, in the order in which they finish.

        Takes tasks only as actors become free, a few ahead.

        Raises:
            PoolError: a task killed its actor three times, or no actor starts.
            Exception: whatever a task raised by itself.
        """
        source = iter(tasks)
        self._give_out(source)
        while self._queue or any(slot.task for slot in self._slots):
            finished = list(self._collect_ready())
            self._replace_late()
            self._give_out(source)  # before the caller writes what is finished
            yield from finished

    def _start_ray(self) -> None:
        import ray

        address = self._config.address
        try:
            if address is not None:
                _knock(address)
            ray.init(**self._ray_options(), configure_logging=False)
        except OSError as error:
            if address is None:
                raise
            raise self._config.error(
                f"ray.address {address}: no cluster can be reached ({error}); start "
                "one by `ray start --head`, or set it to null for this machine"
            ) from error

    def _ray_options(self) -> dict[str, Any]:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self._config.address is not None:
            return {"address": self._config.address, **quiet}
        return {
            "address": "local",
            "num_cpus": self._config.workers,
            "include_dashboard": False,
            "object_store_memory": self._config.store_mib * 2**20,
            **quiet,
        }

    def _count_workers(self) -> int:
        import ray

        if self._config.address is None or not self._config.grows:
            return self._config.workers
        return max(1, int(ray.cluster_resources().get("CPU", 0)))

    def _give_out(self, source: Iterator[Task]) -> None:
        """Gives each free actor a task, and opens actors for tasks that are left."""
        wanted = self.num_workers
        self._queue.extend(islice(source, max(0, wanted - len(self._queue))))
        for slot in [slot for slot in self._slots if slot.waits_for is None]:
            if self._queue:
                slot.task, slot.since = self._queue.popleft(), time.monotonic()
                method = getattr(slot.actor, slot.task.method)
                slot.waits_for = method.remote(*slot.task.arguments)
        starting = sum(slot.node is None for slot in self._slots)
        room = wanted - len(self._slots)
        for _ in range(min(room, len(self._queue) - starting)):
            actor = self._new_actor()
            self._slots.append(_Slot(actor, actor.__ray_call__.remote(_node_of)))

    def _collect_ready(self) -> Iterator[tuple[Task, Any]]:
        import ray

        refs = [slot.waits_for for slot in self._slots if slot.waits_for is not None]
        ray.wait(refs, timeout=1.0)
        ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        for slot in [slot for slot in self._slots if slot.waits_for in ready]:
            ref, slot.waits_for = slot.waits_for, None
            task, slot.task = slot.task, None
            if task is None:
                self._welcome(slot, ref)
                continue
            result = self._result(slot, task, ref)
            if result is not _CRASHED:
                yield task, result
        self._say_if_nothing_runs()

    def _welcome(self, slot: _Slot, ref: Any) -> None:
        """Takes an actor into service that has started."""
        import ray

        try:
            slot.node = ray.get(ref)
            self._failed_starts = 0
        except ray.exceptions.RayError as error:
            self._retire(slot)
            self._failed_starts += 1
            if self._failed_starts >= MAX_CRASHES:
                reason = str(error).strip().splitlines()[-1]
                raise self._config.error(
                    f"no {self._config.kind} starts: {reason}"
                ) from None

    def _result(self, slot: _Slot, task: Task, ref: Any) -> Any:
        """The result of a task, or `_CRASHED`."""
        import ray

        try:
            result = ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            logger.debug("%s", error)  # the worker's own traceback
            cause = error.cause or error
            cause.add_note(f"in {_a(self._config.kind)}, at {task.name}")
            raise cause from None
        except ray.exceptions.RayError as error:
            self._crash(slot, task, f"its process died: {str(error).splitlines()[0]}")
            return _CRASHED
        slot.done += 1
        if slot.done >= self._config.tasks_per_actor:
            self._retire(slot)
        return result

    def _replace_late(self) -> None:
        limit_s = self._config.timeout_s
        for slot in list(self._slots):
            if slot.task and time.monotonic() - slot.since > limit_s:
                self._crash(slot, slot.task, f"no result after {limit_s:g} s")

    def _crash(self, slot: _Slot, task: Task, reason: str) -> None:
        self._retire(slot)
        self._queue.appendleft(task)
        task.crashed_on.append(str(slot.node))
        if _num_living(task.crashed_on) >= MAX_CRASHES:
            raise self._config.error(
                f"{task.name}: given up after {MAX_CRASHES} tries, {reason}", task.name
            )
        logger.warning("%s: %s; trying again with a new worker", task.name, reason)

    def _retire(self, slot: _Slot) -> None:
        import ray

        self._slots.remove(slot)
        with suppress(ray.exceptions.RayError):
            ray.kill(slot.actor)

    def _say_if_nothing_runs(self) -> None:
        now = time.monotonic()
        if any(slot.node for slot in self._slots):
            self._idle_since = now
        elif now - self._idle_since > PATIENCE_S:
            self._idle_since = now
            logger.warning(
                "no %s has started for %g s: it loads, or no CPU or GPU is free",
                self._config.kind,
                PATIENCE_S,
            )


def _knock(address: str) -> None:
    """Opens a connection to ``host:port``: Ray itself tries for many minutes.

    Raises:
        OSError: nobody listens there.
    """
    host, _, port = address.rpartition(":")
    if port.isdigit():
        host = host.removeprefix("ray://").strip("[]")
        socket.create_connection((host, int(port)), CONNECT_S).close()


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeio" else f"a {kind}"


def _node_of(actor: Any) -> str:
    """The machine that an actor runs on, asked inside it."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _num_living(nodes: list[str]) -> int:
    """How many of these machines are still in the cluster."""
    import ray

    living = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    return sum(node in living for node in nodes)


_CRASHED = object()
