"""Pairs predicted objects with true ones, by location."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from igllm_pipelines.scene import Scene

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_FIRST = np.zeros(1, dtype=np.int64)


@dataclass(frozen=True)
class Matches:
    """Matched pairs of all scenes, one entry a pair.

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


def match_objects(pred: Scene, target: Scene) -> tuple[IntArray, IntArray, FloatArray]:
    """One-to-one pairs of least total distance (Hungarian algorithm).

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
    pred_xyz, target_xyz = pred.locations(), target.locations()
    if len(pred_xyz) == len(target_xyz) == 1:
        distance = np.linalg.norm(pred_xyz - target_xyz, axis=-1)
        return _FIRST, _FIRST, distance
    pred_index, target_index = _located(pred_xyz), _located(target_xyz)
    difference = pred_xyz[pred_index, None] - target_xyz[None, target_index]
    distances = np.linalg.norm(difference, axis=-1)
    rows, columns = linear_sum_assignment(distances)
    return pred_index[rows], target_index[columns], distances[rows, columns]


def _located(locations: FloatArray) -> IntArray:
    return np.flatnonzero(np.isfinite(locations).all(axis=1)).astype(np.int64)


def match_scenes(preds: Sequence[Scene | None], target: Sequence[Scene]) -> Matches:
    """Matches each predicted scene with the true scene at the same index.

    A prediction of None (an answer that does not parse) gives no pairs.

    Raises:
        ValueError: the lists have different lengths.

    >>> match_scenes([None], [Scene(())]).distance
    array([], dtype=float64)
    """
    parts = [
        (np.full(len(rows), index), rows, columns, distances)
        for index, (pred, true) in enumerate(zip(preds, target, strict=True))
        if pred is not None
        for rows, columns, distances in [match_objects(pred, true)]
    ]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    if not columns:
        columns = [np.empty(0)] * 4
    *indices, distance = columns
    scene, pred, true = (index.astype(np.int64) for index in indices)
    return Matches(scene, pred, true, distance.astype(np.float64))
