"""Metrics of scenes with several objects, on matched pairs.

Only matched pairs are scored, as in the paper. An answer that does not parse is None in
the list of predictions: it counts in `parse_rate` and nowhere else. A metric of
nothing is NaN.
"""

from collections.abc import Collection, Mapping

import numpy as np

from igllm_pipelines.metrics.matching import Matches, match_scenes
from igllm_pipelines.metrics.sums import SceneSums, scene_means, scene_shares
from igllm_pipelines.metrics.table import (
    BoolArray,
    FloatArray,
    ObjectTable,
    Scenes,
    WordArray,
    as_table,
)
from igllm_pipelines.scene import ProgramSyntax
from igllm_pipelines.scene.program import WORD_ATTRIBUTES
from igllm_pipelines.scene.rotations import canonical_turn, quat_between

PERCENT = 100.0
# a sphere looks the same whatever is predicted of its sides: the paper leaves it out
SHAPES_LEFT_OUT = frozenset({"sphere"})


def parse_rate(preds: Scenes) -> float:
    """Percent of the answers that parse.

    >>> from igllm_pipelines.scene import Scene
    >>> parse_rate([None, Scene(()), Scene(()), Scene(())])
    75.0
    """
    return parse_sums(preds).value


def parse_sums(preds: Scenes) -> SceneSums:
    """`parse_rate` by scene."""
    parsed = as_table(preds).parsed.astype(np.float64)
    return SceneSums(parsed, np.ones_like(parsed), PERCENT)


def count_error(preds: Scenes, target: Scenes) -> float:
    """Mean over scenes of |predicted - true number of objects|.

    Raises:
        ValueError: the lists have different lengths.

    >>> from igllm_pipelines.scene import Scene, SceneObject
    >>> count_error([Scene(()), None], [Scene((SceneObject(),)), Scene(())])
    1.0
    """
    return count_sums(preds, target).value


def count_sums(preds: Scenes, target: Scenes) -> SceneSums:
    """`count_error` by scene."""
    guessed, true = as_table(preds), as_table(target)
    if len(guessed) != len(true):
        raise ValueError(f"{len(guessed)} predicted scenes, {len(true)} true ones")
    errors = np.abs(guessed.counts - true.counts) * guessed.parsed
    return SceneSums(errors.astype(np.float64), guessed.parsed.astype(np.float64))


def l2(matches: Matches) -> float:
    """Distance of matched pairs, mean within a scene, then over scenes.

    A scene without a pair is left out.

    >>> from igllm_pipelines.scene import Scene, SceneObject
    >>> one, two = (Scene((SceneObject(location=(x, 0, 0)),)) for x in (1, 2))
    >>> l2(match_scenes([one, two], [two, two]))
    0.5
    """
    return scene_means(matches, matches.distance, _num_scenes(matches)).value


def geodesic(
    matches: Matches,
    preds: Scenes,
    target: Scenes,
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

    >>> from igllm_pipelines.scene import Scene, SceneObject
    >>> turned = Scene((SceneObject(rotation=(0, 0, 0, 1)),))
    >>> none = Scene((SceneObject(rotation=(1, 0, 0, 0)),))
    >>> geodesic(match_scenes([turned], [none]), [turned], [none])
    180.0
    """
    angles = pair_angles_deg(matches, preds, target, symmetries or {})
    return scene_means(matches, angles, _num_scenes(matches)).value


def _num_scenes(matches: Matches) -> int:
    """Scenes up to the last one that has a pair; those behind add nothing to a mean."""
    return int(matches.scene[-1]) + 1 if len(matches) else 0


def pair_angles_deg(
    matches: Matches,
    preds: Scenes,
    target: Scenes,
    symmetries: Mapping[str, int],
) -> FloatArray:
    """The angle ``(pairs,)`` of each pair, NaN where a rotation is not known."""
    guessed, true = as_table(preds), as_table(target)
    rows = true.rows(matches.scene, matches.target)
    a = guessed.rotation[guessed.rows(matches.scene, matches.pred)]
    b = true.rotation[rows]
    shapes = true.words["shape"][rows]
    known = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    angles = np.full(len(matches), np.nan)
    symmetric = np.isin(shapes, list(symmetries))
    orders = np.ones(len(matches), dtype=np.int64)
    orders[symmetric] = [symmetries[shape] for shape in shapes[symmetric].tolist()]
    for order in np.unique(orders[known]):
        chosen = known & (orders == order)
        angles[chosen] = _angles_deg(a[chosen], b[chosen], int(order))
    return angles


def _angles_deg(pred: FloatArray, true: FloatArray, symmetry: int) -> FloatArray:
    turns = canonical_turn(quat_between(pred, true), symmetry)
    sines = np.linalg.norm(turns[:, 1:], axis=1)
    return np.degrees(2 * np.arctan2(sines, turns[:, 0]))


def accuracy(
    matches: Matches,
    preds: Scenes,
    target: Scenes,
    attribute: str,
    scored: Collection[str] | None = None,
) -> float:
    """Percent of matched pairs whose `attribute` has the true word.

    An attribute that was not predicted is wrong. A pair whose true word is not known
    or not in `scored` (None: every word) is not scored.

    >>> from igllm_pipelines.scene import Scene, SceneObject
    >>> scene = Scene((SceneObject(location=(0, 0, 0), color="red"),))
    >>> accuracy(match_scenes([scene], [scene]), [scene], [scene], "color")
    100.0
    """
    return word_sums(matches, preds, target, attribute, scored=scored).value


def category_accuracy(matches: Matches, preds: Scenes, target: Scenes) -> float:
    """Percent of matched pairs whose shapes are equal up to their first ``_``.

    Shapes that training never saw are scored too: their category is known.

    >>> from igllm_pipelines.scene import Scene, SceneObject
    >>> scenes = [
    ...     Scene((SceneObject(location=(0, 0, 0), shape=shape),))
    ...     for shape in ("chair_0001", "chair_0002")
    ... ]
    >>> category_accuracy(match_scenes(scenes[:1], scenes[1:]), scenes[:1], scenes[1:])
    100.0
    """
    return word_sums(matches, preds, target, "category").value


def word_sums(
    matches: Matches,
    preds: Scenes,
    target: Scenes,
    attribute: str,
    *,
    scored: Collection[str] | None = None,
    left_out: Collection[str] = (),
) -> SceneSums:
    """`accuracy` of an attribute by scene; ``category`` is an attribute here.

    Args:
        matches: of the two lists of scenes.
        preds: predicted scenes.
        target: true scenes.
        attribute: of `WORD_ATTRIBUTES`, or ``category``.
        scored: true words that are scored, None for all.
        left_out: true words that are not.
    """
    guessed, true = as_table(preds), as_table(target)
    said = _words(guessed, attribute)[guessed.rows(matches.scene, matches.pred)]
    wanted = _words(true, attribute)[true.rows(matches.scene, matches.target)]
    counts: BoolArray = wanted != ""
    if scored is not None:
        counts &= np.isin(wanted, list(scored))
    for word in left_out:
        counts &= wanted != word
    return scene_shares(matches, said == wanted, counts, len(true))


def _words(table: ObjectTable, attribute: str) -> WordArray:
    if attribute == "category":
        return categories(table.words["shape"])
    return table.words[attribute]


def categories(shapes: WordArray) -> WordArray:
    """The shapes up to their first ``_``."""
    return np.asarray([s.partition("_")[0] for s in shapes.tolist()], dtype=np.str_)


def object_metrics(
    preds: Scenes,
    target: Scenes,
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
    preds, target = as_table(preds), as_table(target)
    parts = object_statistics(
        match_scenes(preds, target), preds, target, syntax, symmetries
    )
    return {name: part.value for name, part in parts.items()}


def object_statistics(
    matches: Matches,
    preds: Scenes,
    target: Scenes,
    syntax: ProgramSyntax,
    symmetries: Mapping[str, int] | None = None,
) -> dict[str, SceneSums]:
    """`object_metrics` by scene."""
    preds, target = as_table(preds), as_table(target)
    count = len(target)
    parts = {
        "l2": scene_means(matches, matches.distance, count),
        "count": count_sums(preds, target),
    }
    if syntax.rotation_rep != "yaw":
        angles = pair_angles_deg(matches, preds, target, symmetries or {})
        parts["geodesic"] = scene_means(matches, angles, count)
    for name in syntax.attributes:
        if name in WORD_ATTRIBUTES:
            scored = {*syntax.words[name]} - SHAPES_LEFT_OUT
            parts[name] = word_sums(matches, preds, target, name, scored=scored)
    if _has_categories(syntax):
        parts["category"] = word_sums(matches, preds, target, "category")
    return {**parts, "parse_rate": parse_sums(preds)}


def _has_categories(syntax: ProgramSyntax) -> bool:
    """Whether shapes are instances of several categories."""
    shapes = np.asarray(syntax.words.get("shape", ()), dtype=np.str_)
    return 1 < len({*categories(shapes)}) < len(shapes)
