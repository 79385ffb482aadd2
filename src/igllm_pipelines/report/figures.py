"""Figures as PNG bytes; matplotlib without its global state."""

import math
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.report.paper import PAPER
from igllm_pipelines.report.tables import METRICS, Metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]
CellTest = Callable[[FloatArray], NDArray[np.bool_]]
History = Sequence[Mapping[str, float]]

COLORS = {"char": "#d1691c", "float": "#1f6fd6", "nsvqa": "#6b7080"}
INK, MUTED, CELL = "#1f2430", "#8a90a0", "#e6ebf5"
HELD_OUT, TRAINED = "#c2255c", "#2b8a6e"
_LOSSES = {"ce": "cross-entropy", "number_mse": "squared error of the numbers"}


def make_figure(
    panels: int, width: float, height: float, columns: int = 2
) -> "tuple[Figure, list[Axes]]":
    """A figure of so many panels of this size in inches, `columns` side by side."""
    from matplotlib.figure import Figure

    columns = min(panels, columns)
    rows = math.ceil(panels / columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(MUTED)
        ax.tick_params(colors=INK, labelsize=9)
    for ax in axes[panels:]:
        ax.remove()
    return figure, list(axes[:panels])


def png_of(figure: "Figure") -> bytes:
    """The figure as a PNG file, the same for the same figure."""
    buffer = BytesIO()
    # no software name in the file: a new matplotlib alone changes no report
    figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
    return buffer.getvalue()


def scatter(
    preds: Mapping[str, FloatArray],
    target: Mapping[str, FloatArray],
    in_training_cell: CellTest,
) -> bytes:
    """Where the dots are and where each encoding says they are (Figure 5 a-c).

    Args:
        preds: positions ``(n, 2)`` of each encoding in image sides, NaN for none.
        target: true positions ``(n, 2)`` for each encoding, in the same order.
        in_training_cell: positions ``(n, 2)`` to booleans.
    """
    truth = next(iter(target.values()))
    panels = {"true positions": (truth, truth)}
    panels |= {name: (preds[name], target[name]) for name in preds}
    figure, axes = make_figure(len(panels), 3.6, 4.1, columns=len(panels))
    for ax, (title, (positions, true)) in zip(axes, panels.items(), strict=True):
        shade_cells(ax, in_training_cell)
        _dots(ax, positions, in_training_cell(true))
        ax.set_title(title, color=INK, fontsize=12)
        square(ax)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return png_of(figure)


def _dots(ax: "Axes", positions: FloatArray, trained: NDArray[np.bool_]) -> None:
    for mask, color, label in (
        (trained, TRAINED, "true position in a training cell"),
        (~trained, HELD_OUT, "true position held out"),
    ):
        x, y = positions[mask].T
        ax.scatter(x, y, s=9, color=color, alpha=0.75, linewidths=0, label=label)


def shade_cells(ax: "Axes", in_training_cell: CellTest, resolution: int = 240) -> None:
    """Shades the training cells."""
    line = (np.arange(resolution) + 0.5) / resolution
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    mask = in_training_cell(grid).reshape(resolution, resolution)
    from matplotlib.colors import ListedColormap

    colors = ListedColormap(["white", CELL])
    ax.imshow(mask, extent=(0, 1, 1, 0), cmap=colors, interpolation="nearest")


def square(ax: "Axes") -> None:
    """Axes of an image: from 0 to 1, y down."""
    ax.set(xlim=(0, 1), ylim=(1, 0), aspect="equal", xticks=(0, 1), yticks=(0, 1))
    ax.set_xlabel("x", color=INK)
    ax.set_ylabel("y", color=INK)
    ax.spines[:].set_visible(True)


def loss_curves(histories: Mapping[str, History]) -> bytes | None:
    """Training losses over steps; None where there are none."""
    names = [n for n in _LOSSES if any(n in r for h in histories.values() for r in h)]
    # char has no numbers: a curve of zeros says nothing
    names = [n for n in names if any(r.get(n) for h in histories.values() for r in h)]
    if not names:
        return None
    figure, axes = make_figure(len(names), 5.4, 3.4)
    for ax, name in zip(axes, names, strict=True):
        for encoding, history in histories.items():
            _curve(ax, history, name, encoding, COLORS.get(encoding, INK))
        _log_axes(ax, _LOSSES[name])
    return png_of(figure)


def validation_curves(
    histories: Mapping[str, History], splits: Sequence[str], unit: str
) -> bytes | None:
    """Errors on held-out images over steps (Figure 5 e); None where there are none.

    Args:
        histories: with ``<split>_error`` in some records.
        splits: a panel each.
        unit: what the error is.
    """
    records = [record for history in histories.values() for record in history]
    shown = [s for s in splits if any(f"{s}_error" in record for record in records)]
    if not shown:
        return None
    figure, axes = make_figure(len(shown), 5.4, 3.4)
    for ax, split in zip(axes, shown, strict=True):
        for encoding, history in histories.items():
            color = COLORS.get(encoding, INK)
            _curve(ax, history, f"{split}_error", encoding, color, marker="o")
        _log_axes(ax, f"{split}: {unit}")
    return png_of(figure)


def _curve(
    ax: "Axes", history: History, name: str, label: str, color: str, **style: Any
) -> None:
    points = [(r["step"], r[name]) for r in history if r.get(name)]
    if points:
        steps, values = zip(*points, strict=True)
        ax.plot(steps, values, label=label, color=color, lw=1.6, ms=3.5, **style)


def _log_axes(ax: "Axes", title: str) -> None:
    ax.set_yscale("log")
    plain_numbers(ax.yaxis)
    ax.set_title(title, color=INK, fontsize=11)
    ax.set_xlabel("step", color=INK)
    ax.grid(axis="y", color=CELL)
    if ax.lines:
        ax.legend(frameon=False)


def plain_numbers(axis: "Axis") -> None:
    """Labels of a logarithmic axis as plain numbers: 20, 0.35, 1e-05."""
    from matplotlib.ticker import LogFormatter

    class PlainFormatter(LogFormatter):
        """Labels where its parent has one."""

        def __call__(self, x: float, pos: int | None = None) -> str:
            return f"{x:.2g}" if super().__call__(x, pos) else ""

    axis.set_major_formatter(PlainFormatter())
    axis.set_minor_formatter(PlainFormatter(minor_thresholds=(1.5, 0.6)))


def attribute_bars(
    domain: str, metrics: Metrics, splits: Sequence[str], attributes: Sequence[str]
) -> bytes | None:
    """Percent right of each attribute, a panel a split, the paper's as a short line."""
    shown = [a for a in attributes if any(a in _of(metrics, s, a) for s in splits)]
    if not shown:
        return None
    panels = [s for s in splits if any(_of(metrics, s, name) for name in shown)]
    figure, axes = make_figure(len(panels), 5.4, 3.4)
    width = 0.8 / len(metrics)
    for ax, split in zip(axes, panels, strict=True):
        paper = PAPER.get(domain, {}).get(split, {})
        for index, encoding in enumerate(metrics):
            values = metrics[encoding].get(split, {})
            places = np.arange(len(shown)) + (index - (len(metrics) - 1) / 2) * width
            heights = [values.get(name, np.nan) for name in shown]
            color = COLORS.get(encoding, INK)
            bars = ax.bar(places, heights, width * 0.92, color=color, label=encoding)
            ax.bar_label(
                bars, fmt="%.0f", label_type="center", color="white", fontsize=9
            )
            theirs = [paper.get(name, {}).get(encoding, np.nan) for name in shown]
            label = "paper" if index == 0 and paper else "_"
            half = width * 0.46
            ax.hlines(theirs, places - half, places + half, color=INK, label=label)
        _bar_axes(ax, split, [METRICS[name].title for name in shown])
    return png_of(figure)


def _of(metrics: Metrics, split: str, name: str) -> set[str]:
    return {name for values in metrics.values() if name in values.get(split, {})}


def _bar_axes(ax: "Axes", title: str, names: Sequence[str]) -> None:
    ax.set_xticks(range(len(names)), names)
    ax.set_ylim(0, 112)
    ax.set_yticks(range(0, 101, 25))
    ax.set_title(title, color=INK, fontsize=11)
    ax.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.1))


def error_shares(
    errors: Mapping[str, Mapping[str, FloatArray]], unit: str
) -> bytes | None:
    """Which share of the objects errs by less than so much, a panel a split.

    Args:
        errors: ``{split: {encoding: (objects,)}}``, no NaN.
        unit: what an error is.
    """
    shown = {s: e for s, e in errors.items() if any(len(v) for v in e.values())}
    if not shown:
        return None
    figure, axes = make_figure(len(shown), 5.4, 3.4)
    for ax, (split, of_encodings) in zip(axes, shown.items(), strict=True):
        for encoding, values in of_encodings.items():
            shares = 100 * np.arange(1, len(values) + 1) / max(1, len(values))
            color = COLORS.get(encoding, INK)
            ax.plot(np.sort(values), shares, color=color, lw=1.8, label=encoding)
        ax.set(xlim=(0, 180), ylim=(0, 100), xticks=range(0, 181, 30))
        ax.set_title(split, color=INK, fontsize=11)
        ax.set_xlabel(unit, color=INK)
        ax.set_ylabel("objects [%]", color=INK)
        ax.grid(color=CELL)
        ax.legend(frameon=False, loc="lower right")
    return png_of(figure)
