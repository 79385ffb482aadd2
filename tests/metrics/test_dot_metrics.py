"""2D metrics: clipping, what is left out, and snap."""

import math

import numpy as np
import pytest

from igllm_pipelines.metrics.dots import (
    dot_metrics,
    dot_positions,
    median_error,
    mse,
    snap,
)
from igllm_pipelines.scene import Scene, SceneObject


def dot(x: float, y: float) -> Scene:
    return Scene((SceneObject(location=(x, y, 0)),))


def checkerboard(positions: np.ndarray) -> np.ndarray:
    cells = np.minimum((positions * 4).astype(int), 3)
    return cells.sum(axis=-1) % 2 == 0


def test_metrics_equal_plain_numpy() -> None:
    rng = np.random.default_rng(0)
    true, guess = rng.uniform(size=(2, 50, 2))
    preds, target = ([dot(*row) for row in rows] for rows in (guess, true))
    got = dot_metrics(preds, target, checkerboard)
    x, y = (guess - true).T
    assert got["mse"] == pytest.approx((x @ x + y @ y) / 100)
    assert got["median_error"] == pytest.approx(np.median(np.hypot(x, y)))
    held_out = [i for i in range(50) if not checkerboard(true[i : i + 1])[0]]
    landed = [checkerboard(guess[i : i + 1])[0] for i in held_out]
    assert got["snap"] == pytest.approx(100 * sum(landed) / len(landed))
    assert got["parse_rate"] == 100


def test_out_of_range_answers_are_clipped_into_the_image() -> None:
    assert dot_metrics([dot(7088, -3)], [dot(1, 0)])["mse"] == 0


def test_answers_without_exactly_one_dot_are_left_out() -> None:
    two = Scene(dot(0, 0).objects * 2)
    nowhere = Scene((SceneObject(),))
    preds = [dot(0.5, 0.5), None, Scene(()), two, nowhere]
    got = dot_metrics(preds, [dot(0.5, 0.5)] * 5)
    assert got == {"mse": 0, "median_error": 0, "parse_rate": 20}


def test_no_answers_give_nan() -> None:
    got = dot_metrics([None], [dot(0, 0)], checkerboard)
    assert got.pop("parse_rate") == 0
    assert all(math.isnan(value) for value in got.values())
    empty = dot_positions([])
    assert empty.shape == (0, 2)
    assert math.isnan(mse(empty, empty))
    assert math.isnan(median_error(empty, empty))


def test_snap_looks_at_held_out_points_only() -> None:
    # cell (0, 0) is a training cell, cell (1, 0) is not
    target = np.array([[0.1, 0.1], [0.3, 0.1], [0.3, 0.1]])
    preds = np.array([[0.1, 0.1], [0.1, 0.1], [0.3, 0.1]])
    assert snap(preds, target, checkerboard) == 50
    assert math.isnan(snap(preds[:1], target[:1], checkerboard))
