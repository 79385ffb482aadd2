"""Kedro hooks: MLflow runs, a line a node, the tables at the end.

kedro-mlflow opens one run a ``kedro run``. Nodes in a namespace ``<domain>.<encoding>``
are logged to a child run of that name, so char and float compare side by side whatever
selection of pipelines was asked for.
"""

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

logger = logging.getLogger("igllm_pipelines")
_STUDIES = ("ablation", "efficiency", "rotation")  # datasets that are rows of a table
_BATCH = 1000  # MLflow's limit of metrics in one call


def _experiment_of(namespace: str | None) -> str | None:
    """``<domain>.<encoding>`` where `namespace` is one, else None."""
    return namespace if namespace and namespace.count(".") == 1 else None


def _parameter_name(name: str, experiment: str | None) -> str:
    """``training`` for ``params:training.2d`` in an experiment's run.

    Runs of several domains and encodings then share their columns. The session's run
    holds the parameters of all domains, so there the domain stays in the name.
    """
    full = name.removeprefix("params:")
    return full.partition(".")[0] if experiment else full


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings as ``a.b`` names.

    >>> list(flatten({"a": {"b": 1}, "c": 2}))
    [('a.b', 1), ('c', 2)]
    """
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


class ExperimentRunHook:
    """One MLflow run per (domain, encoding), children of the session's run."""

    def __init__(self) -> None:
        self._parent: str | None = None
        self._children: dict[str, str] = {}
        self._done: set[str] = set()
        self._catalog: Any = None

    @hook_impl(trylast=True)  # after kedro-mlflow opened the session's run
    def before_pipeline_run(self, run_params: dict[str, Any], catalog: Any) -> None:
        """Remembers the session's run and where its datasets lie."""
        import mlflow

        self._catalog = catalog
        run = mlflow.active_run()
        self._parent = run.info.run_id if run else None
        self._children, self._done = {}, set()
        if run and run_params.get("runtime_params"):
            mlflow.set_tag("kedro_runtime_params", str(run_params["runtime_params"]))

    @hook_impl(tryfirst=True)  # before kedro-mlflow logs the node's parameters
    def before_node_run(self, node: Any, inputs: dict[str, Any]) -> None:
        """Switches to the node's run and logs the fields of typed parameters."""
        if self._parent is None:
            return
        import mlflow

        experiment = _experiment_of(node.namespace)
        self._activate(experiment)
        # kedro-mlflow writes a typed parameter as one long text; we write its fields
        fields = {
            _parameter_name(name, experiment): asdict(value)
            for name, value in inputs.items()
            if name.startswith("params:") and is_dataclass(value)
        }
        if fields:
            mlflow.log_params(dict(flatten(fields)))

    def _activate(self, experiment: str | None) -> None:
        """Makes the run of `experiment`, or the session's, the active one."""
        import mlflow

        if experiment and experiment not in self._children:
            self._children[experiment] = self._create_child(experiment)
        want = self._children[experiment] if experiment else self._parent
        while (active := mlflow.active_run()) and active.info.run_id not in (
            want,
            self._parent,
        ):
            mlflow.end_run()  # finished for now; it may be resumed
        if active is None or active.info.run_id != want:
            mlflow.start_run(run_id=want, nested=True)

    def _create_child(self, experiment: str) -> str:
        import mlflow

        client = mlflow.MlflowClient()
        domain, encoding = experiment.split(".")
        names = {"domain": domain, "encoding": encoding}
        run = client.create_run(
            experiment_id=mlflow.active_run().info.experiment_id,
            run_name=experiment,
            tags={"mlflow.parentRunId": self._parent, **names},
        )
        for name, value in names.items():  # columns that the UI can compare
            client.log_param(run.info.run_id, name, value)
        return str(run.info.run_id)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Logs histories, metrics and summaries, each by the dataset's name."""
        if self._parent is None:
            return
        import mlflow

        namespace, _, leaf = dataset_name.rpartition(".")
        if leaf == "history":
            self._log_history(data)
        elif leaf == "metrics" and _experiment_of(namespace):
            self._done.add(namespace)
            mlflow.log_metrics({k.replace(".", "/"): v for k, v in _numbers(data)})
        elif leaf in ("metrics", "comparison"):
            mlflow.log_dict(data, f"{namespace}/{leaf}.json")
        elif leaf == "intervals":  # of the run of an encoding
            mlflow.log_dict(data, "intervals.json")
        elif leaf == "results":
            mlflow.log_table(_table(data), f"{namespace}/results_table.json")
        elif leaf in _STUDIES:
            mlflow.log_dict(data, f"{namespace}/{leaf}.json")
            mlflow.log_table(_table(data), f"{namespace}/{leaf}_table.json")
        elif leaf == "summary":
            mlflow.log_text(data, f"{namespace}/summary.txt")
        elif leaf == "model":
            count = sum(weight.numel() for weight in data.parameters())
            mlflow.log_param("num_weights", count)
        elif leaf == "package":
            self._log_package(dataset_name)
        elif leaf in ("report", "data_docs", "files"):
            beside = namespace if leaf == "files" else f"{namespace}/{leaf}"
            self._log_folder(dataset_name, beside)

    def _log_folder(self, dataset_name: str, artifact_path: str) -> None:
        import mlflow

        if folder := self._folder(dataset_name):
            mlflow.log_artifacts(str(folder), artifact_path)

    def _log_package(self, dataset_name: str) -> None:
        if folder := self._folder(dataset_name):
            from igllm_pipelines.serving import log_package

            log_package(folder)

    def _folder(self, dataset_name: str) -> Any:
        """Where a dataset lies; None for one in memory."""
        return getattr(self._catalog.get(dataset_name), "_filepath", None)

    def _log_history(self, history: list[dict[str, float]]) -> None:
        import mlflow
        from mlflow.entities import Metric

        # distinct time stamps: the UI's first view draws curves over time
        now = int(time.time() * 1000)
        metrics = [
            Metric(name, float(value), now + int(row["step"]), int(row["step"]))
            for row in history
            for name, value in row.items()
            if name != "step" and value is not None
        ]
        run_id = mlflow.active_run().info.run_id
        for start in range(0, len(metrics), _BATCH):
            batch = metrics[start : start + _BATCH]
            mlflow.MlflowClient().log_batch(run_id, metrics=batch)

    @hook_impl(tryfirst=True)  # before kedro-mlflow ends the session's run
    def after_pipeline_run(self) -> None:
        """Ends the children."""
        if self._parent is not None:
            self._activate(None)

    @hook_impl(tryfirst=True)
    def on_pipeline_error(self) -> None:
        """Marks the children that did not come to their metrics as failed."""
        if self._parent is None:
            return
        import mlflow

        while (run := mlflow.active_run()) and run.info.run_id != self._parent:
            mlflow.end_run("FAILED")  # kedro-mlflow ends the session's run
        for experiment, run_id in self._children.items():
            if experiment not in self._done:
                mlflow.MlflowClient().set_terminated(run_id, "FAILED")


def _numbers(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in flatten(metrics):
        if value is not None:
            yield name, float(value)


def _table(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Rows of nested values as columns, for MLflow's view of tables."""
    flat = [dict(flatten(row)) for row in rows]
    names = dict.fromkeys(n for row in flat for n, v in row.items() if v is not None)
    return {name: [_cell(row.get(name)) for row in flat] for name in names}


def _cell(value: Any) -> Any:
    return str(value) if isinstance(value, list) else value


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
