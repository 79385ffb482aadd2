"""Precision, recall and average precision against counting by hand."""

import numpy as np
import pytest

from igllm_pipelines.metrics.detection import average_precision, detection_sums
from igllm_pipelines.metrics.matching import match_scenes
from igllm_pipelines.scene import Scene, SceneObject


def at(*places: float) -> Scene:
    return Scene(tuple(SceneObject(location=(x, 0, 0)) for x in places))


def plain_average_precision(hits, scores, num_true) -> float:
    area, before = 0.0, 0.0
    for score in sorted(set(scores), reverse=True):
        chosen = [h for h, s in zip(hits, scores, strict=True) if s >= score]
        recall = sum(chosen) / num_true
        area += (recall - before) * sum(chosen) / len(chosen)
        before = recall
    return 100 * area


def test_counts_over_all_scenes() -> None:
    target = [at(0, 5), at(1), at(2, 3), at()]
    preds = [at(0.05, 4.5), None, at(2), at(7)]
    matches = match_scenes(preds, target)
    got = {t: detection_sums(matches, preds, target, t) for t in (0.1, 0.5)}
    values = {t: {n: s.value for n, s in sums.items()} for t, sums in got.items()}
    assert values[0.1] == pytest.approx({"precision": 50, "recall": 40, "f1": 400 / 9})
    assert values[0.5] == pytest.approx({"precision": 75, "recall": 60, "f1": 600 / 9})


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_equals_the_plain_sum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = [at(*(10 * np.arange(n))) for n in (3, 4, 2)]
    errors = rng.uniform(0, 1, size=8)
    preds = [
        at(*(10 * np.arange(n) + e))
        for n, e in zip((2, 4, 2), np.split(errors, [2, 6]), strict=True)
    ]
    scores = rng.integers(0, 3, size=3).astype(float)
    got = average_precision(match_scenes(preds, target), preds, target, 0.5, scores)
    hits = (errors <= 0.5).tolist()
    of_objects = np.repeat(scores, (2, 4, 2)).tolist()
    expected = plain_average_precision(hits, of_objects, 9)
    assert got.value == pytest.approx(expected)
    alike = average_precision(match_scenes(preds, target), preds, target, 0.5)
    assert alike.value == pytest.approx(100 * sum(hits) / 8 * sum(hits) / 9)


def test_average_precision_of_drawn_scenes_equals_that_of_their_list() -> None:
    rng = np.random.default_rng(0)
    target = [at(*(10 * np.arange(n))) for n in rng.integers(0, 4, size=20)]
    preds = [
        at(*(10 * np.arange(n) + rng.uniform(0, 1, size=n)))
        for n in rng.integers(0, 4, size=20)
    ]
    scores = rng.integers(0, 6, size=20).astype(float)
    part = average_precision(match_scenes(preds, target), preds, target, 0.5, scores)
    draws = rng.integers(20, size=(5, 20))
    counts = np.array([np.bincount(draw, minlength=20) for draw in draws], float)
    for draw, got in zip(draws, part.drawn(counts), strict=True):
        a, b = [preds[i] for i in draw], [target[i] for i in draw]
        again = average_precision(match_scenes(a, b), a, b, 0.5, scores[draw])
        assert got == pytest.approx(again.value)


def test_nothing_predicted_and_nothing_there() -> None:
    for preds, target, area in ([None], [at(0)], 0.0), ([at(0)], [at()], np.nan):
        matches = match_scenes(preds, target)
        got = average_precision(matches, preds, target, 1.0)
        assert got.value == pytest.approx(area, nan_ok=True)
