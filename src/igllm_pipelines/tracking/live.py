"""Metrics while a training goes on: its own, and those of the machine."""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger("igllm_pipelines")

SWITCH = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"  # MLflow's own; false: none of ours
_EVERY_S = 2.0
BATCH = 1000  # MLflow's limit of metrics in one call
Points = set[tuple[str, int]]


class LiveMetrics:
    """Logs records of a training, some at a time, without holding it up.

    A failure ends this with a warning, never the training: its history is logged again
    when it is stored.

    Args:
        client: of MLflow.
        run_id: of the training.
    """

    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self._run_id = run_id
        self._waiting: list[Any] = []
        self._sent: list[tuple[Any, Points]] = []
        self._last = time.monotonic()

    def __call__(self, record: Mapping[str, float]) -> None:
        """Takes a record with its ``step``."""
        now = int(time.time() * 1000)
        self._waiting += metrics_of(record, now)
        if time.monotonic() - self._last >= _EVERY_S:
            self._send()

    def _send(self) -> None:
        for start in range(0, len(self._waiting), BATCH):
            batch = self._waiting[start : start + BATCH]
            sending = self._client.log_batch(
                self._run_id, metrics=batch, synchronous=False
            )
            self._sent.append((sending, {(m.key, m.step) for m in batch}))
        self._waiting = []
        self._last = time.monotonic()

    def close(self) -> Points:
        """Name and step of every value that has arrived."""
        arrived: Points = set()
        try:
            self._send()
            for sending, points in self._sent:
                sending.wait()
                arrived |= points
        except Exception as error:  # whatever a server or network does
            logger.warning(
                "MLflow did not take metrics while training went on: %s", error
            )
        return arrived


def metrics_of(record: Mapping[str, Any], timestamp_ms: int) -> list[Any]:
    """MLflow's metrics of a record with a ``step``."""
    from mlflow.entities import Metric

    step = int(record["step"])
    return [
        Metric(name, float(value), timestamp_ms, step)
        for name, value in record.items()
        if name != "step" and value is not None
    ]


@contextmanager
def system_metrics(run_id: str) -> Iterator[None]:
    """Logs the machine's load to a run for a while, every ten seconds."""
    if os.environ.get(SWITCH, "true").lower() in ("false", "0"):
        yield
        return
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, resume_logging=True)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
