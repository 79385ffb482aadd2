"""Tables of metrics, ours beside the paper's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

Metrics = Mapping[str, Mapping[str, Mapping[str, float]]]
"""``{encoding: {split: {metric: number}}}``"""

# Tables 1 to 3 of the paper: split -> metric -> encoding; we do not have Table 1's
# material row
PAPER: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]] = {
    "clevr": {
        "val_ID": {
            "l2": {"char": 0.21, "float": 0.16},
            "size": {"char": 99.71, "float": 99.77},
            "color": {"char": 99.58, "float": 99.71},
            "shape": {"char": 99.51, "float": 99.59},
        },
        "val_OOD": {
            "l2": {"char": 0.22, "float": 0.17},
            "size": {"char": 99.74, "float": 99.80},
            "color": {"char": 98.60, "float": 98.14},
            "shape": {"char": 93.50, "float": 93.14},
        },
    },
    "6dof": {
        "val_ID": {
            "l2": {"char": 0.02, "float": 0.04},
            "geodesic": {"char": 5.03, "float": 6.18},
            "color": {"char": 79.10, "float": 81.90},
            "material": {"char": 99.00, "float": 99.00},
            "shape": {"char": 99.80, "float": 100.00},
        }
    },
    "shapenet": {
        "val_ID": {
            "l2": {"char": 0.23, "float": 0.21},
            "geodesic": {"char": 8.05, "float": 5.78},
            "count": {"char": 0.01, "float": 0.01},
            "color": {"char": 80.96, "float": 84.27},
            "shape": {"char": 91.96, "float": 94.05},
            "category": {"char": 97.92, "float": 98.58},
        },
        "val_OOD_texture": {
            "l2": {"char": 0.28, "float": 0.26},
            "geodesic": {"char": 12.95, "float": 9.79},
            "count": {"char": 0.04, "float": 0.05},
            "shape": {"char": 76.89, "float": 81.67},
            "category": {"char": 96.48, "float": 97.65},
        },
        "val_OOD_shape": {
            "l2": {"char": 0.37, "float": 0.36},
            "geodesic": {"char": 44.47, "float": 41.31},
            "count": {"char": 0.05, "float": 0.05},
            "category": {"char": 86.52, "float": 88.23},
        },
    },
}
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
    "number_std": Metric(
        "stated std",
        ".1e",
        True,
        "How unsure the model says its numbers are: the root of their mean squared "
        "error, if it is right.",
    ),
    "parse_rate": Metric("parsed [%]", ".1f", False, "Answers that are programs."),
}


@dataclass(frozen=True)
class Cell:
    """One number as text; `best` marks the better encoding of ours."""

    text: str
    best: bool = False
    paper: bool = False


@dataclass(frozen=True)
class MetricsTable:
    """A table as data, for the terminal and for the page alike.

    Attributes:
        columns: ``(split title, column title)`` of every cell.
        rows: metric name and its cells.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def format_metric(name: str, value: float | None) -> str:
    """A metric as text, a dash where it was not measured.

    >>> format_metric("mse", 0.00018), format_metric("l2", None)
    ('1.8e-4', '–')
    """
    if value is None:
        return "–"
    text = format(value, METRICS[name].style if name in METRICS else ".4g")
    return text.replace("e-0", "e-").replace("e+00", "")


def metrics_table(domain: str, metrics: Metrics, splits: Sequence[str]) -> MetricsTable:
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
    rows = [
        (name, tuple(c for s in splits for c in _cells(name, s, metrics, paper.get(s))))
        for name in measured
    ]
    return MetricsTable(tuple(columns), tuple(rows))


def split_title(domain: str, split: str) -> str:
    """The split's name and what is special about it."""
    title = SPLIT_TITLES.get(domain, {}).get(split)
    return f"{split} ({title})" if title else split


def _cells(
    name: str,
    split: str,
    metrics: Metrics,
    paper: Mapping[str, Mapping[str, float]] | None,
) -> list[Cell]:
    values = {e: splits.get(split, {}).get(name) for e, splits in metrics.items()}
    known = [value for value in values.values() if value is not None]
    pick = min if METRICS[name].lower_is_better else max
    # where all are equal, none is better
    best = pick(known) if len(set(known)) > 1 else None
    cells = [
        Cell(format_metric(name, value), best=best is not None and value == best)
        for value in values.values()
    ]
    if paper is None:
        return cells
    theirs = paper.get(name, {})
    return cells + [Cell(_fixed(theirs.get(e)), paper=True) for e in metrics]


def _fixed(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


_SPLITS_A_TABLE = 2  # more do not fit into a terminal


def terminal_tables(
    domain: str, metrics: Metrics, splits: Sequence[str]
) -> list["Table"]:
    """The tables for the terminal; the better of our encodings is bold."""
    starts = range(0, len(splits), _SPLITS_A_TABLE)
    return [
        _terminal_table(domain, metrics, splits[start : start + _SPLITS_A_TABLE])
        for start in starts
    ]


def _terminal_table(domain: str, metrics: Metrics, splits: Sequence[str]) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    content = metrics_table(domain, metrics, splits)
    table = Table(title=f"{domain}: {', '.join(metrics)}", title_justify="left")
    table.add_column("metric", no_wrap=True)
    for split, column in content.columns:
        name = split.partition(" ")[0].replace("OOD_", "OOD\n")
        table.add_column(f"{name}\n{column}", justify="right", vertical="bottom")
    for name, cells in content.rows:
        table.add_row(escape(METRICS[name].title), *(_markup(cell) for cell in cells))
    return table


def encodings_text(
    domain: str, metrics: Metrics, name: str, splits: Sequence[str]
) -> str:
    """One metric of many encodings for the terminal: a row each, a column a split.

    >>> metrics = {"float_quat": {"val_ID": {"geodesic": 8.25}}}
    >>> print(encodings_text("so3", metrics, "geodesic", ["val_ID"]))
    so3: Geod. [deg]    val_ID
    float_quat             8.2
    """
    title = f"{domain}: {METRICS[name].title}"
    rows = [(title, *splits)] + [
        (encoding, *(format_metric(name, m.get(s, {}).get(name)) for s in splits))
        for encoding, m in metrics.items()
    ]
    left, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join(
        "    ".join([row[0].ljust(left), *map(str.rjust, row[1:], widths)])
        for row in rows
    )


def _markup(cell: Cell) -> str:
    if cell.best:
        return f"[bold]{cell.text}[/bold]"
    return f"[dim]{cell.text}[/dim]" if cell.paper else cell.text


def summary_text(
    domain: str,
    metrics: Metrics,
    splits: Sequence[str],
    notes: Sequence[str],
    paths: Mapping[str, str],
) -> str:
    """What a run says at its end: the table, what to read from it, where things lie.

    Args:
        domain: whose metrics these are.
        metrics: of both encodings.
        splits: the test splits, in-distribution first.
        notes: sentences under the table.
        paths: ``{title: path}`` of what was made.
    """
    from rich.console import Console

    console = Console(file=StringIO(), width=100, no_color=True, force_terminal=False)
    with console.capture() as captured:
        for table in terminal_tables(domain, metrics, splits):
            console.print(table)
        for note in notes:
            console.print(note, markup=False, highlight=False)
        for title, path in paths.items():
            console.print(f"{title}: {path}", markup=False, soft_wrap=True)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
