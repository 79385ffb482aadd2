"""Tables of studies: encodings and variants of a model, trained from several seeds.

An interval is the 2.5th to the 97.5th percentile of 2,000 draws; each draws seeds and
images with replacement, the same ones for every encoding. With few seeds it is narrow
rather than wide: two have seen little of how trainings differ.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.metrics.sums import percentile_interval, resample_counts
from igllm_pipelines.report.formats import cell_text
from igllm_pipelines.report.tables import METRICS, format_metric

FloatArray = NDArray[np.float64]

_DRAWS = 2000
# columns of the CSV that rows hold as they are
_PLAIN = (
    *("encoding", "series", "train_images", "split", "seeds", "images"),
    *("error", "mean", "low", "high", "base"),
)


@dataclass(frozen=True)
class StudyRun:
    """One training and what came out.

    Attributes:
        encoding: with its variant, without its seed.
        seed: of first weights and order.
        metrics: ``{split: {metric: number}}``.
        errors: ``{split: error of each image}``, None where an image has none.
        seconds: of training and of prediction.
    """

    encoding: str
    seed: int
    metrics: Mapping[str, Mapping[str, float]]
    errors: Mapping[str, Sequence[float | None]]
    seconds: Mapping[str, float]


class Estimate(NamedTuple):
    """A mean with the bounds of its interval."""

    mean: float
    low: float
    high: float


class _Draws:
    """How often each seed and each image is drawn, the same for every encoding."""

    def __init__(self, seeds: int, images: int, rng: np.random.Generator) -> None:
        self._seeds = resample_counts(rng, _DRAWS, seeds)
        self._images = resample_counts(rng, _DRAWS, images)

    def means(self, errors: FloatArray) -> FloatArray:
        """Mean error ``(draws,)`` of each draw from ``(seeds, images)``."""
        known = np.isfinite(errors)
        total = ((self._seeds @ np.where(known, errors, 0.0)) * self._images).sum(1)
        count = ((self._seeds @ known.astype(float)) * self._images).sum(1)
        return np.divide(total, count, where=count > 0, out=np.full(len(total), np.nan))


def _estimate(mean: float, draws: FloatArray) -> Estimate:
    low, high = percentile_interval(draws) or (np.nan, np.nan)
    return Estimate(float(mean), low, high)


def _mean_known(errors: FloatArray) -> float:
    known = errors[np.isfinite(errors)]
    return float(known.mean()) if known.size else np.nan


def errors_of(
    runs: Sequence[StudyRun], encoding: str, split: str, seeds: Sequence[int]
) -> FloatArray:
    """Errors ``(seeds, images)`` of an encoding; NaN where an image has none."""
    found = {run.seed: run for run in runs if run.encoding == encoding}
    rows = [found[seed].errors[split] for seed in seeds]
    return np.array(rows, dtype=np.float64)


def error_intervals(
    errors: Mapping[str, FloatArray], bases: Mapping[str, str], seed: int = 0
) -> dict[str, tuple[Estimate, Estimate | None]]:
    """Mean error of each encoding, and how many times its base's that is.

    Args:
        errors: ``(seeds, images)`` by encoding, all of one shape.
        bases: the encoding that each is compared with; itself for none.
        seed: of the draws.

    Returns:
        ``{encoding: (error, ratio)}``; the ratio is None for a base. Both errors of a
        ratio are of the same seeds and images.

    >>> errors = {"a": np.array([[2.0, 4.0]]), "b": np.array([[1.0, 2.0]])}
    >>> intervals = error_intervals(errors, {"a": "a", "b": "a"})
    >>> intervals["a"][0].mean, intervals["b"][1]
    (3.0, Estimate(mean=0.5, low=0.5, high=0.5))
    """
    seeds, images = next(iter(errors.values())).shape
    draws = _Draws(seeds, images, np.random.default_rng(seed))
    means = {name: _mean_known(values) for name, values in errors.items()}
    drawn = {name: draws.means(values) for name, values in errors.items()}
    found: dict[str, tuple[Estimate, Estimate | None]] = {}
    for name in errors:
        base, ratio = bases[name], None
        if base != name:
            ratio = _estimate(means[name] / means[base], drawn[name] / drawn[base])
        found[name] = (_estimate(means[name], drawn[name]), ratio)
    return found


def study_rows(
    runs: Sequence[StudyRun],
    bases: Mapping[str, str],
    error: str,
    sizes: Mapping[str, tuple[str, int]] | None = None,
) -> list[dict[str, Any]]:
    """One row for each encoding and split, as JSON.

    Args:
        runs: every encoding of `bases` from the same seeds on the same images.
        bases: see `error_intervals`.
        error: name of the metric that `StudyRun.errors` holds.
        sizes: of encodings whose names say on how many images they were trained: the
            name without it, and that number.

    Returns:
        rows with ``encoding``, ``split``, ``seeds``, ``images``, the error's ``mean``,
        ``low`` and ``high``, ``ratio`` with its bounds where there is a base, and
        ``metrics``: every metric's mean over the seeds, and their ``range``; with
        `sizes` also ``series`` and ``train_images``.
    """
    seeds = sorted({run.seed for run in runs})
    rows = []
    for split in runs[0].errors if runs else ():
        errors = {name: errors_of(runs, name, split, seeds) for name in bases}
        for name, (interval, ratio) in error_intervals(errors, bases).items():
            metrics = [run.metrics[split] for run in runs if run.encoding == name]
            rows.append(
                {
                    "encoding": name,
                    "split": split,
                    "seeds": len(seeds),
                    "images": errors[name].shape[1],
                    "error": error,
                    **interval._asdict(),
                    "base": bases[name],
                    "ratio": ratio._asdict() if ratio else None,
                    "metrics": _means(metrics),
                    "range": _ranges(metrics),
                    **_size(name, sizes or {}),
                }
            )
    return rows


def _size(name: str, sizes: Mapping[str, tuple[str, int]]) -> dict[str, Any]:
    if name not in sizes:
        return {}
    series, images = sizes[name]
    return {"series": series, "train_images": images}


def _means(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {n: float(np.mean([m[n] for m in metrics])) for n in _shared(metrics)}


def _ranges(metrics: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    values = {name: [m[name] for m in metrics] for name in _shared(metrics)}
    return {name: [min(found), max(found)] for name, found in values.items()}


def _shared(metrics: Sequence[Mapping[str, float]]) -> list[str]:
    return [name for name in metrics[0] if all(name in m for m in metrics)]


def study_text(domain: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as two tables for the terminal: the error, then the other metrics."""
    if not rows:
        return f"{domain}: nothing was compared"
    error, seeds = rows[0]["error"], _seeds(rows)
    title = f"{domain}: {METRICS[error].title}, mean of {seeds} [95 % interval]"
    splits = list(dict.fromkeys(row["split"] for row in rows))
    others = [n for n in METRICS if n != error and _measured(n, rows)]
    return "\n".join(
        [
            title,
            *_columns(
                ["", *(s for split in splits for s in (split, "x base"))],
                _error_lines(rows, splits),
            ),
            "",
            f"{domain}: other metrics, mean of {seeds}; {', '.join(splits)}",
            *_columns(
                ["", *(METRICS[name].title for name in others)],
                _metric_lines(rows, splits, others),
            ),
        ]
    )


def _seeds(rows: Sequence[Mapping[str, Any]]) -> str:
    return "1 seed" if rows[0]["seeds"] == 1 else f"{rows[0]['seeds']} seeds"


def _measured(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    return any(name in row["metrics"] for row in rows)


def _by_encoding(
    rows: Sequence[Mapping[str, Any]],
) -> dict[str, dict[str, Mapping[str, Any]]]:
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["encoding"], {})[row["split"]] = row
    return found


def _error_lines(
    rows: Sequence[Mapping[str, Any]], splits: Sequence[str]
) -> list[list[str]]:
    lines = []
    for encoding, of_splits in _by_encoding(rows).items():
        cells = [encoding]
        for row in (of_splits[split] for split in splits):
            style = row["error"]
            low, high = (format_metric(style, row[name]) for name in ("low", "high"))
            cells.append(f"{format_metric(style, row['mean'])} [{low}, {high}]")
            cells.append(_ratio(row["ratio"]))
        lines.append(cells)
    return lines


def _ratio(ratio: Mapping[str, float] | None) -> str:
    if ratio is None:
        return "base"
    return f"{ratio['mean']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def _metric_lines(
    rows: Sequence[Mapping[str, Any]], splits: Sequence[str], names: Sequence[str]
) -> list[list[str]]:
    return [
        [
            encoding,
            *(
                ", ".join(
                    format_metric(name, of_splits[split]["metrics"].get(name))
                    for split in splits
                )
                for name in names
            ),
        ]
        for encoding, of_splits in _by_encoding(rows).items()
    ]


def study_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as CSV: the error with its bounds and ratio, then other metrics."""
    names = [
        n for n in METRICS if rows and n != rows[0]["error"] and _measured(n, rows)
    ]
    plain = [n for n in _PLAIN if any(n in row for row in rows)]
    bounds = [f"ratio_{name}" for name in Estimate._fields]
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*plain, *bounds, *names])
    for row in rows:
        ratio = row["ratio"] or {}
        writer.writerow(
            [
                *(cell_text(row.get(name)) for name in plain),
                *(ratio.get(name) for name in Estimate._fields),
                *(row["metrics"].get(name) for name in names),
            ]
        )
    return buffer.getvalue()


def study_markdown(domain: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The error of every encoding as a Markdown table, and what its figures are."""
    if not rows:
        return f"{domain}: nothing was compared\n"
    splits = list(dict.fromkeys(row["split"] for row in rows))
    images = ", ".join(
        f"{next(r['images'] for r in rows if r['split'] == split)} of {split}"
        for split in splits
    )
    table = [
        ["", *(s for split in splits for s in (split, "x base"))],
        ["---"] * (1 + 2 * len(splits)),
        *_error_lines(rows, splits),
    ]
    return "\n".join(
        [
            f"{domain}: {METRICS[rows[0]['error']].title}, mean of {_seeds(rows)} "
            f"[95 % interval]; images: {images}",
            "",
            *(f"| {' | '.join(cells)} |" for cells in table),
            "",
        ]
    )


def _columns(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    table = [head, *lines]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
        ).rstrip()
        for row in table
    ]
