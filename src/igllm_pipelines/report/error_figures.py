"""Figures of where errors come from, see `breakdown`, as PNG bytes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.report.breakdown import Group
from igllm_pipelines.report.figures import (
    CELL,
    COLORS,
    INK,
    MUTED,
    CellTest,
    FloatArray,
    make_figure,
    plain_numbers,
    png_of,
    square,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_A_CELL = 6  # objects that a cell of a map holds on average, at least
_CELLS = (4, 12)  # least and most cells along a side of a map
_CLEAR = 0.97  # of the cells, those that the range of colors is made for
_POINTS = 10  # of a calibration curve


def error_maps(
    maps: Mapping[str, Mapping[str, tuple[FloatArray, FloatArray]]],
    unit: str,
    in_training_cell: CellTest | None = None,
) -> bytes | None:
    """The mean error by place in the image, a row a split, a panel an encoding.

    Args:
        maps: ``{split: {encoding: (places (objects, 2), errors (objects,))}}``, places
            in shares of the image's width and height.
        unit: what an error is.
        in_training_cell: of places; the cells' borders are drawn.
    """
    means = {
        (split, encoding): mean
        for split, of_encodings in maps.items()
        for encoding, (places, errors) in of_encodings.items()
        if (mean := _cell_means(places, errors)) is not None
    }
    if not means:
        return None
    known = np.concatenate([mean[np.isfinite(mean)] for mean in means.values()])
    columns = max(len(of_encodings) for of_encodings in maps.values())
    figure, axes = make_figure(len(means), 4.0, 3.9, columns=columns)
    top = float(np.quantile(known, _CLEAR)) or 1.0
    image: Any = None
    for ax, ((split, encoding), mean) in zip(axes, means.items(), strict=True):
        ax.set_facecolor(CELL)
        extent = (0.0, 1.0, 1.0, 0.0)
        image = ax.imshow(mean, extent=extent, cmap="magma_r", vmin=0, vmax=top)
        if in_training_cell:
            _outline(ax, in_training_cell)
        ax.set_title(f"{split}: {encoding}", color=INK, fontsize=11)
        square(ax)
    figure.colorbar(image, ax=axes, label=f"mean {unit}", shrink=0.7, extend="max")
    return png_of(figure)


def _cell_means(places: FloatArray, errors: FloatArray) -> FloatArray | None:
    """Means ``(rows, columns)`` by place, NaN where there is nothing; None of none."""
    known = np.isfinite(errors) & np.isfinite(places).all(axis=1)
    if not known.any():
        return None
    side = int(np.clip(np.sqrt(known.sum() / _A_CELL), *_CELLS)) // 4 * 4
    index = np.clip((places[known] * side).astype(np.int64), 0, side - 1)
    flat = index[:, 1] * side + index[:, 0]
    counts = np.bincount(flat, minlength=side**2)
    sums = np.bincount(flat, weights=errors[known], minlength=side**2)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means.reshape(side, side)


def _outline(ax: "Axes", in_training_cell: CellTest, resolution: int = 240) -> None:
    line = (np.arange(resolution) + 0.5) / resolution
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    mask = in_training_cell(grid).reshape(resolution, resolution).astype(np.float64)
    ax.contour(line, line, mask, levels=[0.5], colors=[COLORS["float"]], linewidths=1.2)


def grouped_errors(
    groups: Mapping[str, Mapping[str, Sequence[Group]]], unit: str, title: str
) -> bytes | None:
    """Mean errors of groups of objects with 95 % intervals, a panel a split.

    Args:
        groups: ``{split: {encoding: groups}}``.
        unit: what an error is.
        title: what the groups are of.
    """
    shown = {split: g for split, g in groups.items() if any(g.values())}
    if not shown:
        return None
    figure, axes = make_figure(len(shown), 5.4, 3.6)
    top = max(g.high for of in shown.values() for rows in of.values() for g in rows)
    for ax, (split, of_encodings) in zip(axes, shown.items(), strict=True):
        _groups(ax, of_encodings)
        ax.set_ylim(0, 1.08 * top if np.isfinite(top) and top > 0 else None)
        ax.set_title(split, color=INK, fontsize=11)
        ax.set_xlabel(title, color=INK)
        ax.set_ylabel(f"mean {unit}", color=INK)
        ax.grid(axis="y", color=CELL)
        ax.legend(frameon=False)
    return png_of(figure)


def _groups(ax: "Axes", of_encodings: Mapping[str, Sequence[Group]]) -> None:
    labels = dict.fromkeys(g.label for rows in of_encodings.values() for g in rows)
    counts = {g.label: g.objects for rows in of_encodings.values() for g in rows}
    for index, (encoding, rows) in enumerate(of_encodings.items()):
        shift = 0.16 * (index - (len(of_encodings) - 1) / 2)
        places = [list(labels).index(group.label) + shift for group in rows]
        means = np.asarray([group.mean for group in rows])
        ends = np.asarray([(g.mean - g.low, g.high - g.mean) for g in rows])
        color = COLORS.get(encoding, INK)
        ax.errorbar(
            *(places, means),
            yerr=np.maximum(ends.reshape(-1, 2).T, 0),
            fmt="o",
            color=color,
            ms=5,
            lw=1.6,
            capsize=3,
            label=encoding,
        )
    ticks = [f"{label}\nn={counts[label]}" for label in labels]
    ax.set_xticks(range(len(ticks)), ticks, fontsize=8.5)
    ax.set_xlim(-0.6, len(ticks) - 0.4)


def calibration(
    stated: Mapping[str, Mapping[str, FloatArray]], unit: str
) -> bytes | None:
    """Stated against measured errors, a panel a split; on the diagonal they agree.

    Args:
        stated: ``{split: {encoding: (coordinates, 2)}}``, stated standard deviation
            and absolute error.
        unit: of both.
    """
    shown = {
        split: known
        for split, of_encodings in stated.items()
        if (known := {e: rows for e, rows in of_encodings.items() if len(rows)})
    }
    if not shown:
        return None
    figure, axes = make_figure(len(shown), 4.6, 4.2)
    for ax, (split, of_encodings) in zip(axes, shown.items(), strict=True):
        ends = []
        for encoding, rows in of_encodings.items():
            points = _calibration_points(rows)
            color = COLORS.get(encoding, INK)
            ax.plot(*points.T, "o-", color=color, lw=1.6, ms=4, label=encoding)
            ends += [points[points > 0].min(initial=1.0), points.max()]
        line = [min(ends) / 1.5, max(ends) * 1.5]
        ax.plot(line, line, color=MUTED, lw=1, ls="--", label="as unsure as it says")
        ax.set(xscale="log", yscale="log", aspect="equal", xlim=line, ylim=line)
        for axis in (ax.xaxis, ax.yaxis):
            plain_numbers(axis)
        ax.set_title(split, color=INK, fontsize=11)
        ax.set_xlabel(f"stated standard deviation {unit}", color=INK)
        ax.set_ylabel(f"measured error {unit}", color=INK)
        ax.grid(color=CELL)
        ax.legend(frameon=False, fontsize=9)
    return png_of(figure)


def _calibration_points(rows: NDArray[np.float64]) -> FloatArray:
    """Root mean squares ``(points, 2)`` of equally many coordinates each."""
    ordered = rows[np.argsort(rows[:, 0], kind="stable")]
    parts = np.array_split(ordered, min(_POINTS, len(ordered)))
    return np.sqrt(np.asarray([np.mean(np.square(part), axis=0) for part in parts]))
