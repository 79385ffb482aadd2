"""Metrics of the 2D domain: where the one dot is, in image sides.

Answers are clipped into the image before they are scored: a language model that writes
7088 for 0.7088 would otherwise decide every mean alone. An answer that does not parse,
or does not name exactly one dot, has no position: it is left out here and counted in
``parse_rate``.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.metrics.objects import PERCENT, parse_rate
from igllm_pipelines.scene import Scene

FloatArray = NDArray[np.float64]
CellTest = Callable[[FloatArray], NDArray[np.bool_]]


def one_dot(scene: Scene | None) -> Scene | None:
    """The scene where it holds exactly one located dot, else None."""
    if scene is None or len(scene.objects) != 1:
        return None
    return scene if scene.objects[0].location is not None else None


def dot_positions(scenes: Sequence[Scene | None]) -> FloatArray:
    """Positions ``(scenes, 2)`` clipped into [0, 1], NaN where there is no answer.

    >>> from igllm_pipelines.scene import SceneObject
    >>> dot_positions([Scene((SceneObject(location=(0.5, 1.5, 0)),)), None])
    array([[0.5, 1. ],
           [nan, nan]])
    """
    dots = (one_dot(scene) for scene in scenes)
    rows = [dot.locations()[0, :2] if dot else (np.nan, np.nan) for dot in dots]
    return np.clip(np.asarray(rows, dtype=np.float64).reshape(-1, 2), 0.0, 1.0)


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
    answered = np.isfinite(preds).all(axis=-1)
    held_out = answered & ~in_training_cell(target)
    if not held_out.any():
        return np.nan
    return float(PERCENT * np.mean(in_training_cell(preds[held_out])))


def dot_metrics(
    preds: Sequence[Scene | None],
    target: Sequence[Scene],
    in_training_cell: CellTest | None = None,
) -> dict[str, float]:
    """All metrics of the 2D domain.

    Returns:
        ``mse`` (image sides squared), ``median_error`` (image sides), ``parse_rate``
        and, where `in_training_cell` is given, ``snap`` (percent).
    """
    guessed, true = dot_positions(preds), dot_positions(target)
    result = {
        "mse": mse(guessed, true),
        "median_error": median_error(guessed, true),
        "parse_rate": parse_rate([one_dot(scene) for scene in preds]),
    }
    if in_training_cell is not None:
        result["snap"] = snap(guessed, true, in_training_cell)
    return result
