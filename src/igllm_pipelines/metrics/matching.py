"""Pairs predicted objects with true ones, by location."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from igllm_pipelines.metrics.table import (
    BoolArray,
    FloatArray,
    IntArray,
    ObjectTable,
    Scenes,
    as_table,
    starts_of,
)
from igllm_pipelines.scene import Scene


@dataclass(frozen=True)
class Matches:
    """Matched pairs of all scenes, one entry a pair, scene after scene.

    Attributes:
        scene: index ``(pairs,)`` of the scene in the two lists.
        pred, target: index ``(pairs,)`` of the object within its scene.
        distance: Euclidean distance ``(pairs,)`` of the two locations, in the units
            of the locations (metres; 2D: image sides); NaN where one has none.
    """

    scene: IntArray
    pred: IntArray
    target: IntArray
    distance: FloatArray

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.scene)

    def keep(self, kept: BoolArray) -> "Matches":
        """The pairs for which `kept` ``(pairs,)`` is true."""
        return Matches(
            self.scene[kept], self.pred[kept], self.target[kept], self.distance[kept]
        )


def match_objects(pred: Scene, target: Scene) -> tuple[IntArray, IntArray, FloatArray]:
    """One-to-one pairs of least total distance (Hungarian algorithm), of one scene.

    There are as many pairs as the smaller scene has objects. An object without a
    location is paired with none, but for scenes of one object each: there is nothing to
    choose, so these two are a pair. (Programs of SO(3) say no location.)

    Returns:
        Indices into ``pred.objects``, into ``target.objects`` and the distances.

    >>> from igllm_pipelines.scene import SceneObject
    >>> near, far = (SceneObject(location=(x, 0, 0)) for x in (0, 5))
    >>> match_objects(Scene((far,)), Scene((near, far)))
    (array([0]), array([1]), array([0.]))
    """
    matches = match_scenes([pred], [target])
    return matches.pred, matches.target, matches.distance


def match_scenes(preds: Scenes, target: Scenes) -> Matches:
    """Matches each predicted scene with the true scene at the same index.

    The pairs of a scene are those of `match_objects`. A prediction of None (an answer
    that does not parse) gives no pairs.

    Raises:
        ValueError: the lists have different lengths.

    >>> match_scenes([None], [Scene(())]).distance
    array([], dtype=float64)
    """
    guessed, true = as_table(preds), as_table(target)
    if len(guessed) != len(true):
        raise ValueError(
            f"{len(guessed)} predicted scenes and {len(true)} true ones: the lists "
            "must have one length"
        )
    parts = list(_matched_groups(guessed, true))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    if not columns:
        columns = [np.empty(0)] * 4
    order = np.lexsort((columns[1], columns[0]))
    scene, pred, found = (column[order].astype(np.int64) for column in columns[:3])
    return Matches(scene, pred, found, columns[3][order].astype(np.float64))


def _matched_groups(
    preds: ObjectTable, target: ObjectTable
) -> Iterator[tuple[IntArray, IntArray, IntArray, FloatArray]]:
    """Pairs of all scenes that have the same two numbers of objects, at once."""
    single = (preds.counts == 1) & (target.counts == 1)
    pred_rows, pred_counts = _located(preds, single)
    target_rows, target_counts = _located(target, single)
    pred_starts, target_starts = starts_of(pred_counts), starts_of(target_counts)
    most = target_counts.max(initial=0) + 1
    sizes = pred_counts * most + target_counts
    for size in np.unique(sizes).tolist():
        num_preds, num_true = divmod(size, int(most))
        if not num_preds or not num_true:
            continue
        scenes = np.flatnonzero(sizes == size)
        # rows of the tables: (scenes, predicted), (scenes, true)
        a = pred_rows[pred_starts[scenes][:, None] + np.arange(num_preds)]
        b = target_rows[target_starts[scenes][:, None] + np.arange(num_true)]
        distances = _distances(preds.location[a], target.location[b])
        index, rows, columns = assign(distances)
        scene = scenes[index]
        yield (
            scene,
            a[index, rows] - preds.starts[scene],
            b[index, columns] - target.starts[scene],
            distances[index, rows, columns],
        )


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Euclidean, ``(scenes, n, 3)`` and ``(scenes, m, 3)`` to ``(scenes, n, m)``."""
    squares = [np.square(a[:, :, None, i] - b[:, None, :, i]) for i in range(3)]
    return np.sqrt(squares[0] + squares[1] + squares[2])


def _located(table: ObjectTable, single: BoolArray) -> tuple[IntArray, IntArray]:
    """Rows of the objects to match, and how many each scene has."""
    scene = table.scene
    used = np.isfinite(table.location).all(axis=1) | single[scene]
    return np.flatnonzero(used), np.bincount(scene[used], minlength=len(table))


def assign(distances: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """One-to-one pairs of least total distance in each of many scenes.

    Where the nearest partners of all objects (of the smaller side) are different ones,
    they are the pairs; the Hungarian algorithm is asked for the other scenes only.

    Args:
        distances: ``(scenes, rows, columns)``, finite or, for 1 x 1, NaN.

    Returns:
        Indices of scene, row and column, each ``(scenes * min(rows, columns),)``.

    >>> assign(np.array([[[1.0, 5.0], [0.0, 2.0]]]))
    (array([0, 0]), array([0, 1]), array([0, 1]))
    """
    count, num_rows, num_columns = distances.shape
    few = min(num_rows, num_columns)
    wide = distances if num_rows == few else distances.transpose(0, 2, 1)
    nearest = np.argmin(wide, axis=2)
    if few > 1:
        unclear = np.flatnonzero(~_are_clear(wide, nearest))
        for scene, costs in zip(unclear.tolist(), wide[unclear], strict=True):
            nearest[scene] = linear_sum_assignment(costs)[1]
    index, rows = np.divmod(np.arange(count * few), few)
    columns = nearest.reshape(-1)
    return (index, rows, columns) if num_rows == few else (index, columns, rows)


def _are_clear(distances: FloatArray, nearest: IntArray) -> BoolArray:
    """Whether the nearest columns of a scene's rows are different, and no row ties."""
    ordered = np.sort(nearest, axis=1)
    different = (ordered[:, 1:] != ordered[:, :-1]).all(axis=1)
    least = np.take_along_axis(distances, nearest[..., None], axis=2)
    alone = (distances == least).sum(axis=2) == 1
    return different & alone.all(axis=1)
