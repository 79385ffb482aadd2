"""Kedro hooks for people: a line a node, the tables at the end, the front page.

What MLflow is told is in ``tracking``.
"""

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

logger = logging.getLogger("igllm_pipelines")


class ProgressHook:
    """Says which node runs, and at the end what came out and where it lies."""

    def __init__(self) -> None:
        self._total = 0
        self._count = 0
        self._started: dict[str, float] = {}
        self._summaries: list[str] = []

    @hook_impl
    def before_pipeline_run(self, pipeline: Any) -> None:
        """Counts the nodes."""
        self._total, self._count = len(pipeline.nodes), 0
        self._summaries = []

    @hook_impl
    def before_node_run(self, node: Any) -> None:
        """Names the node."""
        self._count += 1
        self._started[node.name] = time.monotonic()
        logger.info("[%d/%d] %s", self._count, self._total, node.name)

    @hook_impl
    def after_node_run(self, node: Any) -> None:
        """Says how long a long node took."""
        seconds = time.monotonic() - self._started.pop(node.name)
        if seconds >= 10:
            logger.info("%s took %.0f s", node.name, seconds)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Keeps the summaries for the end."""
        if dataset_name.endswith(".summary"):
            self._summaries.append(data)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Writes the summaries."""
        for summary in self._summaries:
            sys.stdout.write(f"\n{summary}\n")
        if self._summaries:
            import mlflow

            uri = mlflow.get_tracking_uri()
            sys.stdout.write(f"MLflow runs, char beside float: make ui ({uri})\n")
            sys.stdout.flush()


class FrontPageHook:
    """Rewrites the front page over the reports of all domains when one was made."""

    def __init__(self) -> None:
        self._catalog: Any = None
        self._folder: Path | None = None

    @hook_impl
    def before_pipeline_run(self, catalog: Any) -> None:
        """Remembers where datasets lie."""
        self._catalog, self._folder = catalog, None

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Remembers the folder of all domains' results."""
        if dataset_name.endswith(".report"):
            folder = getattr(self._catalog.get(dataset_name), "_filepath", None)
            self._folder = folder.parents[1] if folder else None

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Writes the page from what lies there; it is never half written."""
        if self._folder is None:
            return
        from igllm_pipelines.report.front import PATH, front_page

        path = self._folder / PATH
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        partial.write_text(front_page(self._folder), encoding="utf-8")
        os.replace(partial, path)
