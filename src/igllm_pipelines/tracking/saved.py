"""What is logged of each dataset when it was saved, by the last part of its name."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from igllm_pipelines.tracking import champion
from igllm_pipelines.tracking.live import BATCH, Points, metrics_of
from igllm_pipelines.tracking.parameters import flatten

STUDIES = ("ablation", "efficiency", "rotation")  # datasets that are rows of a table
_SHOWN = 50  # predictions of a split in the table
_PREDICTED = ("image", "program", "log_probability")


@dataclass(frozen=True)
class Saved:
    """A dataset that was saved, and the run that hears of it.

    Attributes:
        client: of MLflow.
        run_id: of the run.
        base: name of the session's experiment, the first part of a model's name.
        is_training: whether it is a training's run, not the session's.
        namespace: of the dataset, ``<domain>`` or ``<domain>.<encoding>``.
        leaf: of its name.
        data: that was saved.
        path: where it lies, None in memory.
        arrived: values of the history that were logged while it was made.
    """

    client: Any
    run_id: str
    base: str
    is_training: bool
    namespace: str
    leaf: str
    data: Any
    path: Path | None
    arrived: Points = field(default_factory=set)

    @property
    def file(self) -> str:
        """Name of an artifact: a domain's in its folder, a training's at the top."""
        folder = "" if self.is_training else f"{self.namespace}/"
        return f"{folder}{self.leaf}.json"

    @property
    def model_name(self) -> str:
        """Under which the model is registered, ``igllm-clevr-float``."""
        return f"{self.base}-{self.namespace.replace('.', '-')}"


def log_saved(saved: Saved) -> None:
    """Logs a dataset; nothing of one that MLflow need not know."""
    log = _LOGS.get(saved.leaf)
    if log is not None:
        log(saved)


def _dict(saved: Saved) -> None:
    saved.client.log_dict(saved.run_id, saved.data, saved.file)


def _history(saved: Saved) -> None:
    start = saved.client.get_run(saved.run_id).info.start_time
    metrics = [
        metric
        for row in saved.data
        # distinct time stamps: the UI's first view draws curves over time
        for metric in metrics_of(row, start + int(row["step"]))
        if (metric.key, metric.step) not in saved.arrived
    ]
    for begin in range(0, len(metrics), BATCH):
        batch = metrics[begin : begin + BATCH]
        saved.client.log_batch(saved.run_id, metrics=batch)


def _metrics(saved: Saved) -> None:
    if not saved.is_training:
        _dict(saved)
        return
    of_splits = {
        champion.metric_name(split, name): value
        for split, values in saved.data.items()
        for name, value in values.items()
    }
    _log_metrics(saved, of_splits)


def _intervals(saved: Saved) -> None:
    """The file, and as metrics what they hold beside the metrics: detection."""
    _dict(saved)
    detection = {
        champion.metric_name(split, name): interval["value"]
        for split, values in saved.data.items()
        for name, interval in values.items()
        if "@" in name
    }
    _log_metrics(saved, detection)
    _elect(saved)


def _log_metrics(saved: Saved, values: Mapping[str, float | None]) -> None:
    now = int(time.time() * 1000)
    metrics = metrics_of({**values, "step": 0}, now)
    saved.client.log_batch(saved.run_id, metrics=metrics)


def _predictions(saved: Saved) -> None:
    """The first programs of each split as a table, and all records as a file."""
    rows = [
        {"split": split, **{k: record.get(k) for k in _PREDICTED}}
        for split, records in saved.data.items()
        for record in records[:_SHOWN]
    ]
    _log_table(saved, rows, "predictions_table.json")
    if saved.path is not None:
        saved.client.log_artifact(saved.run_id, str(saved.path))


def _results(saved: Saved) -> None:
    _log_table(saved, saved.data, f"{saved.namespace}/results_table.json")


def _study(saved: Saved) -> None:
    _dict(saved)
    name = f"{saved.namespace}/{saved.leaf}_table.json"
    _log_table(saved, saved.data, name)


def _log_table(saved: Saved, rows: list[dict[str, Any]], name: str) -> None:
    table = _table(rows)
    folder = name.rpartition("/")[0] or None
    found = saved.client.list_artifacts(saved.run_id, folder)
    if name not in {file.path for file in found}:
        saved.client.log_table(saved.run_id, table, name)
        return
    # MLflow would add the rows to those that are there
    data = [*zip(*table.values(), strict=True)]
    content = {"columns": list(table), "data": data}
    saved.client.log_dict(saved.run_id, content, name)


def _table(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Rows of nested values as columns, for MLflow's view of tables."""
    flat = [dict(flatten(row)) for row in rows]
    names = dict.fromkeys(n for row in flat for n, v in row.items() if v is not None)
    return {name: [_cell(row.get(name)) for row in flat] for name in names}


def _cell(value: Any) -> Any:
    return str(value) if isinstance(value, list) else value


def _summary(saved: Saved) -> None:
    saved.client.log_text(saved.run_id, saved.data, f"{saved.namespace}/summary.txt")


def _model(saved: Saved) -> None:
    count = sum(weight.numel() for weight in saved.data.parameters())
    saved.client.log_param(saved.run_id, "num_weights", count)


def _package(saved: Saved) -> None:
    """Logs the model, and registers it with the tags of its training."""
    if saved.path is None:
        return
    from igllm_pipelines.serving import log_package

    tags = dict(_own_tags(saved.client.get_run(saved.run_id).data.tags))
    info = log_package(saved.path, run_id=saved.run_id, tags=tags)
    champion.register(info.model_uri, saved.model_name, tags)
    _elect(saved)


def _own_tags(tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Those that are not MLflow's."""
    for name, value in tags.items():
        if not name.startswith("mlflow."):
            yield name, value


def _elect(saved: Saved) -> None:
    score = champion.score_of(saved.namespace.partition(".")[0])
    champion.elect(saved.client, saved.model_name, saved.run_id, score)


def _folder(saved: Saved) -> None:
    """A folder of files: those of a study beside its summary."""
    if saved.path is None:
        return
    beside = "" if saved.leaf == "files" else f"/{saved.leaf}"
    place = f"{saved.namespace}{beside}"
    saved.client.log_artifacts(saved.run_id, str(saved.path), place)


_LOGS: Mapping[str, Callable[[Saved], None]] = {
    "history": _history,
    "metrics": _metrics,
    "intervals": _intervals,
    "predictions": _predictions,
    "model": _model,
    "package": _package,
    "comparison": _dict,
    "data_card": _dict,
    "validation": _dict,
    "results": _results,
    "summary": _summary,
    "report": _folder,
    "data_docs": _folder,
    "files": _folder,
    **dict.fromkeys(STUDIES, _study),
}
