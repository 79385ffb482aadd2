"""Metrics of the 2D domain: where the one dot is, in image sides.

Answers are clipped into the image before they are scored: a language model that writes
7088 for 0.7088 would otherwise decide every mean alone. An answer that does not parse,
or does not name exactly one dot, has no position: it is left out here and counted in
``parse_rate``.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.metrics.objects import PERCENT
from igllm_pipelines.metrics.sums import Median, SceneSums, Statistic
from igllm_pipelines.metrics.table import Scenes, as_table

FloatArray = NDArray[np.float64]
CellTest = Callable[[FloatArray], NDArray[np.bool_]]


def dot_positions(scenes: Scenes) -> FloatArray:
    """Positions ``(scenes, 2)`` clipped into [0, 1], NaN where there is no answer.

    >>> from igllm_pipelines.scene import Scene, SceneObject
    >>> dot_positions([Scene((SceneObject(location=(0.5, 1.5, 0)),)), None])
    array([[0.5, 1. ],
           [nan, nan]])
    """
    table = as_table(scenes)
    positions = np.full((len(table), 2), np.nan)
    alone = table.counts == 1
    positions[alone] = table.location[table.starts[:-1][alone], :2]
    return np.clip(positions, 0.0, 1.0)


def mse(preds: FloatArray, target: FloatArray) -> float:
    """Mean over answers, x and y of the squared error; positions ``(n, 2)``.

    >>> mse(np.array([[0.5, 0.5], [np.nan, np.nan]]), np.array([[0.5, 1], [0, 0]]))
    0.125
    """
    squares = np.square(preds - target)
    squares = squares[np.isfinite(squares)]
    return float(np.mean(squares)) if len(squares) else np.nan


def median_error(preds: FloatArray, target: FloatArray) -> float:
    """Median over answers of the Euclidean distance; positions ``(n, 2)``.

    >>> median_error(np.array([[0.0, 0.0]]), np.array([[0.3, 0.4]]))
    0.5
    """
    distances = np.linalg.norm(preds - target, axis=-1)
    distances = distances[np.isfinite(distances)]
    return float(np.median(distances)) if len(distances) else np.nan


def snap(preds: FloatArray, target: FloatArray, in_training_cell: CellTest) -> float:
    """Percent of held-out points whose prediction lands in a training cell.

    Held out means that the true position lies outside the training cells. A model that
    can only say what it has seen has a snap of 100.

    Args:
        preds: predicted positions ``(n, 2)`` in image sides, NaN without an answer.
        target: true positions ``(n, 2)``.
        in_training_cell: positions ``(n, 2)`` to ``(n,)`` booleans.

    >>> left = lambda positions: positions[:, 0] < 0.5
    >>> snap(np.array([[0.4, 0], [0.6, 0]]), np.array([[0.7, 0], [0.7, 0]]), left)
    50.0
    """
    return snap_sums(preds, target, in_training_cell).value


def snap_sums(
    preds: FloatArray, target: FloatArray, in_training_cell: CellTest
) -> SceneSums:
    """`snap` by scene."""
    answered = np.isfinite(preds).all(axis=-1)
    held_out = answered & ~in_training_cell(target)
    landed = np.zeros(len(preds))
    landed[held_out] = in_training_cell(preds[held_out])
    return SceneSums(landed, held_out.astype(np.float64), PERCENT)


def dot_statistics(
    preds: Scenes, target: Scenes, in_training_cell: CellTest | None = None
) -> Mapping[str, Statistic]:
    """All metrics of the 2D domain by scene, see `dot_metrics`."""
    guessed, true = dot_positions(preds), dot_positions(target)
    errors = np.square(guessed - true)
    known = np.isfinite(errors).all(axis=1).astype(np.float64)
    parts: dict[str, Statistic] = {
        "mse": SceneSums(np.nan_to_num(errors).mean(axis=1) * known, known),
        "median_error": Median(np.sqrt(errors.sum(axis=1))),
        "parse_rate": SceneSums(
            np.isfinite(guessed).all(axis=1).astype(np.float64),
            np.ones(len(guessed)),
            PERCENT,
        ),
    }
    if in_training_cell is not None:
        parts["snap"] = snap_sums(guessed, true, in_training_cell)
    return parts


def dot_metrics(
    preds: Scenes, target: Scenes, in_training_cell: CellTest | None = None
) -> dict[str, float]:
    """All metrics of the 2D domain.

    Returns:
        ``mse`` (image sides squared), ``median_error`` (image sides), ``parse_rate``
        and, where `in_training_cell` is given, ``snap`` (percent).
    """
    parts = dot_statistics(preds, target, in_training_cell)
    return {name: part.value for name, part in parts.items()}
