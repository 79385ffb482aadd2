"""Chamfer distance between the surfaces of true and predicted scenes.

Points are drawn on the meshes of the assets, evenly by area, posed as the scene says
and compared by their nearest neighbours.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.spatial import cKDTree

from igllm_pipelines.assets import Catalog
from igllm_pipelines.assets.mesh import Mesh, load_mesh
from igllm_pipelines.metrics.sums import SceneSums
from igllm_pipelines.metrics.table import FloatArray
from igllm_pipelines.scene import Scene, SceneObject
from igllm_pipelines.scene.rotations import matrix_from_quat

PointsOf = Callable[[str], FloatArray]


def sample_surface(mesh: Mesh, count: int, rng: np.random.Generator) -> FloatArray:
    """Points ``(count, 3)`` on a mesh, evenly by area.

    Raises:
        ValueError: the mesh has no area.

    >>> square = Mesh(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]]),
    ...     ((0, 1, 2, 3),))
    >>> sample_surface(square, 1000, np.random.default_rng(0)).mean(axis=0).round(1)
    array([0.5, 0.5, 0. ])
    """
    corners = mesh.vertices[mesh.triangles()]
    sides = corners[:, 1:] - corners[:, :1]
    areas = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    if not areas.sum() > 0:
        raise ValueError("a mesh without area has no points to draw")
    chosen = rng.choice(len(areas), size=count, p=areas / areas.sum())
    u, v = rng.uniform(size=(2, count, 1))
    # the half of the parallelogram beyond the triangle is turned back into it
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    return corners[chosen, 0] + u * sides[chosen, 0] + v * sides[chosen, 1]


def asset_points(catalog: Catalog, count: int, seed: int) -> PointsOf:
    """Points on the assets of a catalog, by id; each asset's are drawn once.

    Args:
        catalog: procedural or a folder's, see the room `assets`.
        count: points an object.
        seed: of the points; an asset has the same ones whatever else is asked for.

    Returns:
        From an asset's id to points ``(count, 3)`` in the object frame, in which the
        diagonal of the bounding box is 1. It raises an AssetError for an unknown id.
    """
    drawn: dict[str, FloatArray] = {}

    def points_of(asset_id: str) -> FloatArray:
        if asset_id not in drawn:
            rng = np.random.default_rng([seed, *asset_id.encode()])
            drawn[asset_id] = sample_surface(load_mesh(catalog[asset_id]), count, rng)
        return drawn[asset_id]

    return points_of


def scene_points(scene: Scene, points_of: PointsOf, scale: float = 1.0) -> FloatArray:
    """Points ``(n, 3)`` on the surfaces of a scene, in world metres.

    Args:
        scene: its objects are assets. One without a location or a shape has no
            surface; one without a rotation is not turned.
        points_of: see `asset_points`.
        scale: diagonal in metres of an object whose extents are not known: programs
            do not say them.
    """
    parts = [
        _posed(obj, points_of(obj.shape), scale)
        for obj in scene.objects
        if obj.location is not None and obj.shape is not None
    ]
    return np.concatenate(parts) if parts else np.empty((0, 3))


def _posed(obj: SceneObject, points: FloatArray, scale: float) -> FloatArray:
    size = float(np.linalg.norm(obj.extents)) if obj.extents else scale
    turn = matrix_from_quat(obj.rotation or (1.0, 0.0, 0.0, 0.0))
    return size * points @ turn.T + np.asarray(obj.location)


def chamfer(preds: FloatArray, target: FloatArray) -> float:
    """Symmetric Chamfer distance of two sets of points, in their units.

    ``mean_p min_t |p - t| + mean_t min_p |t - p|``, the distances not squared; NaN
    where one of the sets is empty.

    >>> chamfer(np.zeros((1, 3)), np.array([[3.0, 4, 0], [0, 0, 0]]))
    2.5
    """
    if not len(preds) or not len(target):
        return np.nan
    to_target, _ = cKDTree(target).query(preds)
    to_preds, _ = cKDTree(preds).query(target)
    return float(np.mean(to_target) + np.mean(to_preds))


def chamfer_sums(
    preds: Sequence[Scene | None],
    target: Sequence[Scene],
    points_of: PointsOf,
    scale: float = 1.0,
) -> SceneSums:
    """`chamfer` of each predicted scene with the true one, for the mean over scenes.

    A scene in which nothing was predicted, or without a true surface, has none.

    Args:
        preds: predicted scenes, None where the answer does not parse. A shape that
            the catalog does not have is an error.
        target: true scenes, in the same order.
        points_of: see `asset_points`.
        scale: see `scene_points`.
    """
    distances = np.array(
        [
            chamfer(
                scene_points(pred or Scene(()), points_of, scale),
                scene_points(true, points_of, scale),
            )
            for pred, true in zip(preds, target, strict=True)
        ],
        dtype=np.float64,
    )
    known = np.isfinite(distances)
    return SceneSums(np.where(known, distances, 0.0), known.astype(np.float64))
