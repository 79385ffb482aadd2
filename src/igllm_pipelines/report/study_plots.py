"""Plots of studies as PNG bytes: one for each table."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from igllm_pipelines.report.figures import CELL, COLORS, HELD_OUT, INK, MUTED, TRAINED
from igllm_pipelines.report.tables import METRICS, split_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]


def efficiency_plot(domain: str, rows: Rows) -> bytes:
    """Error over the number of training images, both logarithmic; a panel a split.

    A line is a mean over seeds and test images, its band the 95 % interval.

    Args:
        domain: whose rows these are.
        rows: of `study_rows` with ``series`` and ``train_images``.
    """
    splits = list(dict.fromkeys(row["split"] for row in rows))
    figure, axes = _panels(len(splits))
    for ax, split in zip(axes, splits, strict=True):
        shown = [row for row in rows if row["split"] == split]
        for series in dict.fromkeys(row["series"] for row in shown):
            of_series = [row for row in shown if row["series"] == series]
            of_series.sort(key=lambda row: row["train_images"])
            _line(ax, series, of_series)
        numbers = sorted({row["train_images"] for row in shown})
        ax.set(xscale="log", yscale="log", xlabel="training images")
        ax.set_xticks(numbers, [f"{number:,}" for number in numbers])
        ax.set_xticks([], minor=True)
        ax.set_title(split_title(domain, split), color=INK, fontsize=11)
        ax.grid(axis="y", color=CELL)
    axes[0].set_ylabel(METRICS[rows[0]["error"]].title, color=INK)
    axes[0].legend(frameon=False)
    return _png(figure)


def _line(ax: "Axes", series: str, rows: Rows) -> None:
    color = COLORS.get(series, INK)
    numbers = [row["train_images"] for row in rows]
    low, high = ([row[name] for row in rows] for name in ("low", "high"))
    ax.fill_between(numbers, low, high, color=color, alpha=0.18, linewidth=0)
    means = [row["mean"] for row in rows]
    ax.plot(numbers, means, color=color, marker="o", ms=4, lw=1.8, label=series)


def rotation_plot(domain: str, rows: Rows) -> bytes:
    """Error of each representation with its 95 % interval; one panel, a color a split.

    Args:
        domain: whose rows these are.
        rows: of `study_rows`.
    """
    splits = list(dict.fromkeys(row["split"] for row in rows))
    names = list(dict.fromkeys(row["encoding"] for row in rows))
    figure, (ax,) = _panels(1)
    for split, color in zip(splits, (TRAINED, HELD_OUT, MUTED), strict=False):
        shown = {row["encoding"]: row for row in rows if row["split"] == split}
        means = [shown[name]["mean"] for name in names]
        spread = [
            # rounding may put a bound on the wrong side of the mean
            [max(0.0, shown[n]["mean"] - shown[n]["low"]) for n in names],
            [max(0.0, shown[n]["high"] - shown[n]["mean"]) for n in names],
        ]
        label = split_title(domain, split)
        ax.errorbar(
            range(len(names)),
            means,
            spread,
            fmt="o",
            color=color,
            label=label,
            ms=6,
            capsize=4,
            lw=1.6,
        )
        for place, mean in enumerate(means):
            ax.annotate(
                f"{mean:.1f}", (place, mean), (8, -3), textcoords="offset points"
            )
    ax.set_xticks(range(len(names)), [_representation(name) for name in names])
    ax.set_xlim(-0.5, len(names) - 0.3)
    ax.set_ylim(bottom=0)
    ax.set_ylabel(METRICS[rows[0]["error"]].title, color=INK)
    ax.grid(axis="y", color=CELL)
    figure.legend(loc="outside upper center", ncols=len(splits), frameon=False)
    return _png(figure)


def _representation(encoding: str) -> str:
    return encoding.partition("_")[2] or encoding


def _panels(count: int) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    width = 4.6 * count if count > 1 else 6.6
    figure = Figure(figsize=(width, 3.6), layout="constrained")
    axes = figure.subplots(1, count, squeeze=False, sharey=True).ravel()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(MUTED)
        ax.tick_params(colors=INK, labelsize=9)
    return figure, list(axes)


def _png(figure: "Figure") -> bytes:
    buffer = BytesIO()
    # no software name in the file: a new matplotlib alone changes no plot
    figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
    return buffer.getvalue()
