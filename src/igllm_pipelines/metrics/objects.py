"""Metrics of scenes with several objects, on matched pairs.

Only matched pairs are scored, as in the paper. An answer that does not parse is None in
the list of predictions: it counts in `parse_rate` and nowhere else. A metric of
nothing is NaN.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.metrics.matching import IntArray, Matches, match_scenes
from igllm_pipelines.scene import Scene

PERCENT = 100.0
# a sphere looks the same whatever is predicted of its sides: the paper leaves it out
SHAPES_LEFT_OUT = frozenset({"sphere"})


def parse_rate(preds: Sequence[Scene | None]) -> float:
    """Percent of the answers that parse.

    >>> parse_rate([None, Scene(()), Scene(()), Scene(())])
    75.0
    """
    parsed = sum(pred is not None for pred in preds)
    return PERCENT * parsed / len(preds) if preds else np.nan


def count_error(preds: Sequence[Scene | None], target: Sequence[Scene]) -> float:
    """Mean over scenes of |predicted - true number of objects|.

    >>> from igllm_pipelines.scene import SceneObject
    >>> count_error([Scene(()), None], [Scene((SceneObject(),)), Scene(())])
    1.0
    """
    errors = [
        abs(len(pred.objects) - len(true.objects))
        for pred, true in zip(preds, target, strict=True)
        if pred is not None
    ]
    return float(np.mean(errors)) if errors else np.nan


def l2(matches: Matches) -> float:
    """Distance of matched pairs, mean within a scene, then over scenes.

    A scene without a pair is left out.

    >>> from igllm_pipelines.scene import SceneObject
    >>> one, two = (Scene((SceneObject(location=(x, 0, 0)),)) for x in (1, 2))
    >>> l2(match_scenes([one, two], [two, two]))
    0.5
    """
    if not len(matches.scene):
        return np.nan
    pairs = np.bincount(matches.scene)
    sums = np.bincount(matches.scene, weights=matches.distance)
    return float(np.mean(sums[pairs > 0] / pairs[pairs > 0]))


def accuracy(
    matches: Matches,
    preds: Sequence[Scene | None],
    target: Sequence[Scene],
    attribute: str,
    left_out: frozenset[str] = frozenset(),
) -> float:
    """Percent of matched pairs whose `attribute` has the true word.

    An attribute that was not predicted is wrong. A pair whose true word is not known
    or stands in `left_out` is not scored.

    >>> from igllm_pipelines.scene import SceneObject
    >>> scene = Scene((SceneObject(location=(0, 0, 0), color="red"),))
    >>> accuracy(match_scenes([scene], [scene]), [scene], [scene], "color")
    100.0
    """
    guessed = _words(preds, matches.scene, matches.pred, attribute)
    true = _words(target, matches.scene, matches.target, attribute)
    scored = ~np.isin(true, ["", *left_out])
    if not scored.any():
        return np.nan
    return float(PERCENT * np.mean(guessed[scored] == true[scored]))


def _words(
    scenes: Sequence[Scene | None],
    scene_index: IntArray,
    object_index: IntArray,
    attribute: str,
) -> NDArray[np.str_]:
    """The attribute's word for each (scene, object), empty where there is none."""
    table = [scene.objects if scene else () for scene in scenes]
    pairs = zip(scene_index, object_index, strict=True)
    words = [getattr(table[s][o], attribute) or "" for s, o in pairs]
    return np.asarray(words, dtype=np.str_)


def object_metrics(
    preds: Sequence[Scene | None], target: Sequence[Scene], attributes: Sequence[str]
) -> dict[str, float]:
    """All metrics of a multi-object domain.

    Args:
        preds: predicted scenes, None where the answer does not parse.
        target: true scenes, in the same order.
        attributes: the word attributes to score, of ``size color material shape``.

    Returns:
        ``l2`` (metres), ``count`` (objects), each attribute and ``parse_rate``
        (percent).
    """
    matches = match_scenes(preds, target)
    words = {
        name: accuracy(
            matches,
            preds,
            target,
            name,
            SHAPES_LEFT_OUT if name == "shape" else frozenset(),
        )
        for name in attributes
    }
    return {
        "l2": l2(matches),
        "count": count_error(preds, target),
        **words,
        "parse_rate": parse_rate(preds),
    }
