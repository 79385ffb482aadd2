"""Metrics of scenes with several objects, on matched pairs.

Only matched pairs are scored, as in the paper. An answer that does not parse is None in
the list of predictions: it counts in `parse_rate` and nowhere else. A metric of
nothing is NaN.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.metrics.matching import (
    FloatArray,
    IntArray,
    Matches,
    match_scenes,
)
from igllm_pipelines.scene import ProgramSyntax, Scene, SceneObject
from igllm_pipelines.scene.program import WORD_ATTRIBUTES
from igllm_pipelines.scene.rotations import canonical_turn, quat_between

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
    return _mean_by_scene(matches, matches.distance)


def geodesic(
    matches: Matches,
    preds: Sequence[Scene | None],
    target: Sequence[Scene],
    symmetries: Mapping[str, int] | None = None,
) -> float:
    """Angle in degrees between the rotations of matched pairs, averaged as `l2`.

    The angle of ``R_pred^T R_true``, ``arccos((trace - 1) / 2)``, as in the paper. A
    pair in which a rotation is not known is left out: its numbers name none (all zero,
    or parallel rows of ``6d``), or the program was written without the grammar.

    Args:
        matches: of the two lists of scenes.
        preds: predicted scenes.
        target: true scenes.
        symmetries: order of the symmetry about the object's z axis by true shape, 0
            for any angle. Of the rotations that look the same, the nearest one counts;
            the paper knows no symmetries.

    >>> turned = Scene((SceneObject(rotation=(0, 0, 0, 1)),))
    >>> none = Scene((SceneObject(rotation=(1, 0, 0, 0)),))
    >>> geodesic(match_scenes([turned], [none]), [turned], [none])
    180.0
    """
    angles = pair_angles_deg(matches, preds, target, symmetries or {})
    return _mean_by_scene(matches, angles)


def pair_angles_deg(
    matches: Matches,
    preds: Sequence[Scene | None],
    target: Sequence[Scene],
    symmetries: Mapping[str, int],
) -> FloatArray:
    """The angle ``(pairs,)`` of each pair, NaN where a rotation is not known."""
    guessed = _objects(preds, matches.scene, matches.pred)
    true = _objects(target, matches.scene, matches.target)
    angles = [
        _angle_deg(a, b, symmetries.get(b.shape or "", 1))
        for a, b in zip(guessed, true, strict=True)
    ]
    return np.asarray(angles, dtype=np.float64)


def _angle_deg(pred: SceneObject, true: SceneObject, symmetry: int) -> float:
    if pred.rotation is None or true.rotation is None:
        return np.nan
    w, *xyz = canonical_turn(quat_between(pred.rotation, true.rotation), symmetry)
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(xyz), w)))


def _mean_by_scene(matches: Matches, values: FloatArray) -> float:
    """Mean of the known values of a scene's pairs, then over scenes."""
    known = np.isfinite(values)
    if not known.any():
        return np.nan
    pairs = np.bincount(matches.scene[known])
    sums = np.bincount(matches.scene[known], weights=values[known])
    return float(np.mean(sums[pairs > 0] / pairs[pairs > 0]))


def accuracy(
    matches: Matches,
    preds: Sequence[Scene | None],
    target: Sequence[Scene],
    attribute: str,
    scored: Collection[str] | None = None,
) -> float:
    """Percent of matched pairs whose `attribute` has the true word.

    An attribute that was not predicted is wrong. A pair whose true word is not known
    or not in `scored` (None: every word) is not scored.

    >>> from igllm_pipelines.scene import SceneObject
    >>> scene = Scene((SceneObject(location=(0, 0, 0), color="red"),))
    >>> accuracy(match_scenes([scene], [scene]), [scene], [scene], "color")
    100.0
    """
    guessed = _words(preds, matches.scene, matches.pred, attribute)
    true = _words(target, matches.scene, matches.target, attribute)
    return _percent_equal(guessed, true, scored)


def category_accuracy(
    matches: Matches, preds: Sequence[Scene | None], target: Sequence[Scene]
) -> float:
    """Percent of matched pairs whose shapes are equal up to their first ``_``.

    Shapes that training never saw are scored too: their category is known.

    >>> scenes = [
    ...     Scene((SceneObject(location=(0, 0, 0), shape=shape),))
    ...     for shape in ("chair_0001", "chair_0002")
    ... ]
    >>> category_accuracy(match_scenes(scenes[:1], scenes[1:]), scenes[:1], scenes[1:])
    100.0
    """
    guessed = _words(preds, matches.scene, matches.pred, "shape")
    true = _words(target, matches.scene, matches.target, "shape")
    return _percent_equal(_categories(guessed), _categories(true))


def _categories(shapes: NDArray[np.str_]) -> NDArray[np.str_]:
    return np.asarray([s.partition("_")[0] for s in shapes], dtype=np.str_)


def _percent_equal(
    guessed: NDArray[np.str_],
    true: NDArray[np.str_],
    scored: Collection[str] | None = None,
) -> float:
    counts = true != ""
    if scored is not None:
        counts &= np.isin(true, list(scored))
    if not counts.any():
        return np.nan
    return float(PERCENT * np.mean(guessed[counts] == true[counts]))


def _words(
    scenes: Sequence[Scene | None],
    scene_index: IntArray,
    object_index: IntArray,
    attribute: str,
) -> NDArray[np.str_]:
    """The attribute's word for each (scene, object), empty where there is none."""
    objects = _objects(scenes, scene_index, object_index)
    return np.asarray([getattr(o, attribute) or "" for o in objects], dtype=np.str_)


def _objects(
    scenes: Sequence[Scene | None], scene_index: IntArray, object_index: IntArray
) -> list[SceneObject]:
    table = [scene.objects if scene else () for scene in scenes]
    return [table[s][o] for s, o in zip(scene_index, object_index, strict=True)]


def object_metrics(
    preds: Sequence[Scene | None],
    target: Sequence[Scene],
    syntax: ProgramSyntax,
    symmetries: Mapping[str, int] | None = None,
) -> dict[str, float]:
    """All metrics of a domain of objects.

    Args:
        preds: predicted scenes, None where the answer does not parse.
        target: true scenes, in the same order.
        syntax: of the programs. A word attribute is scored where the true word is one
            that programs can say; CLEVR's yaw is not scored.
        symmetries: see `geodesic`.

    Returns:
        ``l2`` (metres), ``geodesic`` (degrees), ``count`` (objects), each word
        attribute, ``category`` where shapes have one, and ``parse_rate`` (percent).
    """
    matches = match_scenes(preds, target)
    result = {"l2": l2(matches), "count": count_error(preds, target)}
    if syntax.rotation_rep != "yaw":
        result["geodesic"] = geodesic(matches, preds, target, symmetries)
    for name in syntax.attributes:
        if name in WORD_ATTRIBUTES:
            scored = {*syntax.words[name]} - SHAPES_LEFT_OUT
            result[name] = accuracy(matches, preds, target, name, scored)
    if _has_categories(syntax):
        result["category"] = category_accuracy(matches, preds, target)
    return {**result, "parse_rate": parse_rate(preds)}


def _has_categories(syntax: ProgramSyntax) -> bool:
    """Whether shapes are instances of several categories."""
    shapes = np.asarray(syntax.words.get("shape", ()), dtype=np.str_)
    return 1 < len({*_categories(shapes)}) < len(shapes)
