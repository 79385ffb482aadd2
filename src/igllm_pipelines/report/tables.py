"""Tables of metrics, ours beside the paper's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from igllm_pipelines.report.paper import PAPER

Metrics = Mapping[str, Mapping[str, Mapping[str, float]]]
"""``{encoding: {split: {metric: number}}}``"""
Measured = Mapping[str, float | None]
"""``{value, low, high, samples}``, or ``{difference, low, high, samples}``"""
Intervals = Mapping[str, Mapping[str, Mapping[str, Measured]]]
"""``{encoding: {split: {metric: Measured}}}``"""
Comparison = Mapping[str, Mapping[str, Measured]]
"""``{split: {metric: Measured}}``, char minus float on the same scenes"""

SPLIT_TITLES: Mapping[str, Mapping[str, str]] = {
    "2d": {
        "val_ID": "ID: training cells",
        "random": "OOD: whole image",
    },
    "clevr": {
        "val_ID": "ID: condition A",
        "val_OOD": "OOD: condition B",
    },
    "so3": {
        "val_ID": "ID: orientations as in training",
        "val_OOD": "OOD: held-out orientations",
    },
    "6dof": {"val_ID": "ID"},
    "shapenet": {
        "val_ID": "ID",
        "val_OOD_texture": "OOD-T: unseen textures",
        "val_OOD_shape": "OOD-T+S: unseen shapes and textures",
        "val_OOD_camera": "OOD: unseen pitch and radius of the camera",
    },
}


@dataclass(frozen=True)
class Metric:
    """How a metric is shown.

    Attributes:
        title: with its unit.
        style: format of a number.
        lower_is_better: else higher is.
        meaning: one sentence.
    """

    title: str
    style: str
    lower_is_better: bool
    meaning: str


F1 = "f1@0.5"  # of the objects that are found up to 0.5 m

_GALLERY = (
    "of the samples below alone, which are best, median and worst cases: no mean of "
    "the split, without interval."
)

METRICS: Mapping[str, Metric] = {
    "mse": Metric(
        "squared error",
        ".1e",
        True,
        "Mean over x and y, in image sides squared, answers clipped into the image.",
    ),
    "median_error": Metric(
        "median distance",
        ".4f",
        True,
        "Half of the answers are nearer, in image sides.",
    ),
    "snap": Metric(
        "snap [%]",
        ".1f",
        True,
        "Share of points outside the training cells that are put inside one.",
    ),
    "l2": Metric(
        "L2 [m]", ".2f", True, "Distance of matched objects, averaged by scene."
    ),
    "geodesic": Metric(
        "Geod. [deg]",
        ".1f",
        True,
        "Angle between the orientations of matched objects, averaged by scene; of the "
        "orientations in which a symmetric object looks the same, the nearest one.",
    ),
    "count": Metric(
        "Count", ".2f", True, "Mean difference from the true number of objects."
    ),
    "size": Metric("Size [%]", ".2f", False, "Matched objects of the right size."),
    "color": Metric("Color [%]", ".2f", False, "Matched objects of the right color."),
    "material": Metric(
        "Mat. [%]", ".2f", False, "Matched objects of the right material."
    ),
    "shape": Metric(
        "Shape [%]",
        ".2f",
        False,
        "Matched objects of the right shape, spheres aside and shapes that training "
        "never saw.",
    ),
    "category": Metric(
        "Cat. [%]", ".2f", False, "Matched objects of the right category of shapes."
    ),
    "chamfer": Metric(
        "Chamf. [m]",
        ".2f",
        True,
        "Mean distance between the surfaces of the true and of the predicted scene.",
    ),
    F1: Metric(
        "F1 at 0.5 m [%]",
        ".1f",
        False,
        "Objects found within 0.5 m: missed and invented ones cost, which no other row "
        "counts.",
    ),
    "number_std": Metric(
        "stated std",
        ".1e",
        True,
        "How unsure the model says its numbers are: the root of their mean squared "
        "error, if it is right.",
    ),
    "parse_rate": Metric("parsed [%]", ".1f", False, "Answers that are programs."),
    "gallery_psnr": Metric(
        "gallery PSNR [dB]",
        ".1f",
        False,
        "Peak signal-to-noise ratio of input and rendered answer; " + _GALLERY,
    ),
    "gallery_ssim": Metric(
        "gallery SSIM",
        ".3f",
        False,
        "Structural similarity of input and rendered answer; " + _GALLERY,
    ),
    "gallery_iou": Metric(
        "gallery IoU [%]",
        ".1f",
        False,
        "Pixels that show a true object and the one answered for it, of those that "
        f"show either, 0 for a missed one; {_GALLERY}",
    ),
}


@dataclass(frozen=True)
class Cell:
    """One number as text.

    Attributes:
        text: the number.
        interval: where it lies with 95 % confidence, empty where that is not known.
        best: it is the better one of ours; of a difference, that it is not chance.
        worse: it is worse than the paper's.
        paper: it is the paper's.
    """

    text: str
    interval: str = ""
    best: bool = False
    worse: bool = False
    paper: bool = False


@dataclass(frozen=True)
class MetricsTable:
    """A table as data, for the terminal, the page and files alike.

    Attributes:
        columns: ``(split title, column title)`` of every cell.
        rows: metric name and its cells.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Titles of neighbouring columns and how many columns they span."""
        return [(t, len(list(same))) for t, same in groupby(c[0] for c in self.columns)]

    @property
    def some_worse(self) -> bool:
        """Whether any of our numbers is worse than the paper's."""
        return any(cell.worse for _, cells in self.rows for cell in cells)


def format_metric(name: str, value: float | None) -> str:
    """A metric as text, a dash where it was not measured.

    >>> format_metric("mse", 0.00018), format_metric("l2", None)
    ('1.8e-4', '–')
    """
    if value is None:
        return "–"
    text = format(value, METRICS[name].style if name in METRICS else ".4g")
    return text.replace("e-0", "e-").replace("e+00", "")


def format_interval(name: str, measured: Measured) -> str:
    """An interval as text, empty where it is not known.

    >>> format_interval("l2", {"low": 0.581, "high": 0.64})
    '0.58 to 0.64'
    """
    low, high = measured.get("low"), measured.get("high")
    if low is None or high is None:
        return ""
    return f"{format_metric(name, low)} to {format_metric(name, high)}"


def winner(name: str, measured: Measured) -> str | None:
    """The encoding that is better by more than chance, None where neither is.

    Args:
        name: of the metric.
        measured: char minus float, with its interval.

    >>> winner("l2", {"difference": 0.1, "low": 0.05, "high": 0.2})
    'float'
    """
    low, high = measured.get("low"), measured.get("high")
    if low is None or high is None or low <= 0 <= high:
        return None
    return "char" if (high < 0) == METRICS[name].lower_is_better else "float"


def is_worse(name: str, value: float | None, paper: float | None) -> bool:
    """Whether ours is worse than the paper's, to the two decimals that it prints.

    >>> is_worse("l2", 0.214, 0.21), is_worse("color", 99.1, 99.58)
    (False, True)
    """
    if value is None or paper is None:
        return False
    ours = round(value, 2)
    return ours > paper if METRICS[name].lower_is_better else ours < paper


def metrics_table(
    domain: str,
    metrics: Metrics,
    splits: Sequence[str],
    intervals: Intervals | None = None,
) -> MetricsTable:
    """Rows are metrics; each split has our encodings, then the paper's."""
    encodings = list(metrics)
    paper = PAPER.get(domain, {})
    columns = [
        (split_title(domain, split), f"{source}{encoding}")
        for split in splits
        for source in ("", *(["paper "] if split in paper else []))
        for encoding in encodings
    ]
    measured = [
        name
        for name in METRICS
        if any(name in metrics[e].get(split, {}) for e in encodings for split in splits)
    ]

    def cells(name: str) -> Iterator[Cell]:
        for split in splits:
            values = {e: m.get(split, {}).get(name) for e, m in metrics.items()}
            known = {
                encoding: of_splits.get(split, {}).get(name, {})
                for encoding, of_splits in (intervals or {}).items()
            }
            theirs = paper[split].get(name, {}) if split in paper else None
            yield from _cells(name, values, known, theirs)

    rows = tuple((name, tuple(cells(name))) for name in measured)
    return MetricsTable(tuple(columns), rows)


def comparison_table(
    domain: str, comparison: Comparison, splits: Sequence[str]
) -> MetricsTable:
    """Char minus float by split; differences that are not chance are marked."""
    shown = [split for split in splits if comparison.get(split)]
    names = [n for n in METRICS if any(n in comparison[split] for split in shown)]
    rows = tuple(
        (name, tuple(_difference(name, comparison[s].get(name, {})) for s in shown))
        for name in names
    )
    columns = tuple((split_title(domain, split), "char - float") for split in shown)
    return MetricsTable(columns, rows)


def _difference(name: str, measured: Measured) -> Cell:
    value = measured.get("difference")
    if value is None:
        return Cell("–")
    sure = winner(name, measured) is not None
    text = format_metric(name, value)
    sign = "+" if value > 0 else ""
    return Cell(f"{sign}{text}", format_interval(name, measured), best=sure)


def split_title(domain: str, split: str) -> str:
    """The split's name and what is special about it."""
    title = SPLIT_TITLES.get(domain, {}).get(split)
    return f"{split} ({title})" if title else split


def _cells(
    name: str,
    values: Mapping[str, float | None],
    intervals: Mapping[str, Measured],
    paper: Mapping[str, float] | None,
) -> list[Cell]:
    """The cells of a split: ours by encoding, then the paper's where it has any."""
    known = [value for value in values.values() if value is not None]
    pick = min if METRICS[name].lower_is_better else max
    # where all are equal, none is better
    best = pick(known) if len(set(known)) > 1 else None
    cells = [
        Cell(
            format_metric(name, value),
            format_interval(name, intervals.get(encoding, {})),
            best=best is not None and value == best,
            worse=is_worse(name, value, (paper or {}).get(encoding)),
        )
        for encoding, value in values.items()
    ]
    if paper is None:
        return cells
    return cells + [Cell(_fixed(paper.get(e)), paper=True) for e in values]


def _fixed(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
