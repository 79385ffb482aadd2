"""Chamfer distance between the surfaces of true and predicted scenes.

Points are drawn on the meshes of assets and of CLEVR's solids, evenly by area, posed as
the scene says and compared by their nearest neighbours. An object has the same points
wherever it is met: two scenes that are alike have a distance of 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from igllm_pipelines.assets import Asset, Catalog
from igllm_pipelines.assets.mesh import Mesh, load_mesh
from igllm_pipelines.assets.solids import cushion, lathe
from igllm_pipelines.metrics.sums import SceneSums
from igllm_pipelines.metrics.table import FloatArray
from igllm_pipelines.scene import Scene, SceneObject
from igllm_pipelines.scene.rotations import canonical_turn, matrix_from_quat

POINTS = 512  # of an object
_CUBE_EDGE, _CYLINDER_EDGE = 0.2, 0.085  # radii, as rendered


@dataclass(frozen=True, eq=False)
class Surface:
    """Points on an object that stands at the origin and is not turned.

    Attributes:
        points: ``(n, 3)`` in metres; they have the symmetry too.
        symmetry: order of the symmetry about the z axis, 1 for none, 0 for any angle.
    """

    points: FloatArray
    symmetry: int = 1


SurfaceOf = Callable[[SceneObject], Surface | None]


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


def asset_surfaces(catalog: Catalog, count: int = POINTS, seed: int = 0) -> SurfaceOf:
    """Surfaces of objects whose shape is the id of an asset.

    Args:
        catalog: procedural or a folder's, see the room `assets`.
        count: points an object, or a little less where it is symmetric.
        seed: of the points; an asset has the same ones whatever else is asked for.

    Returns:
        From an object to its surface, as large as its extents say; None without a
        shape or without extents. It raises an AssetError for an unknown id.
    """
    drawn: dict[str, Surface] = {}

    def surface_of(obj: SceneObject) -> Surface | None:
        if obj.shape is None or obj.extents is None:
            return None
        if obj.shape not in drawn:
            drawn[obj.shape] = _surface(catalog[obj.shape], count, seed)
        unit = drawn[obj.shape]
        size = float(np.linalg.norm(obj.extents))
        return Surface(size * unit.points, unit.symmetry)

    return surface_of


def _surface(asset: Asset, count: int, seed: int) -> Surface:
    rng = np.random.default_rng([seed, *asset.id.encode()])
    points = _symmetric_points(load_mesh(asset), asset.symmetry, count, rng)
    return Surface(points, asset.symmetry)


def solid_surfaces(
    radius_m: Mapping[str, float], count: int = POINTS, seed: int = 0
) -> SurfaceOf:
    """Surfaces of CLEVR's cubes, spheres and cylinders, their edges rounded.

    Args:
        radius_m: half the extent of an object by its size word.
        count: points an object.
        seed: of the points.

    Returns:
        From an object to its surface; None where its shape or its size is another.
    """
    rng = np.random.default_rng(seed)
    units = {
        name: Surface(_symmetric_points(mesh, symmetry, count, rng), symmetry)
        for name, (mesh, symmetry) in _solids().items()
    }

    def surface_of(obj: SceneObject) -> Surface | None:
        unit, radius = units.get(obj.shape or ""), radius_m.get(obj.size or "")
        if unit is None or radius is None:
            return None
        return Surface(radius * unit.points, unit.symmetry)

    return surface_of


def _solids() -> dict[str, tuple[Mesh, int]]:
    """The meshes of half extent 1, and the order of their symmetry."""
    arc = np.linspace(-np.pi / 2, np.pi / 2, 33)
    ball = np.stack([np.cos(arc), np.sin(arc)], axis=1)[1:-1]
    rim = _CYLINDER_EDGE * np.stack([np.cos(arc[16:]), np.sin(arc[16:])], axis=1)
    upper = rim + 1 - _CYLINDER_EDGE
    lower = upper[::-1] * (1, -1)
    return {
        "cube": (cushion((2, 2, 2), radius=_CUBE_EDGE, steps=3), 4),
        "sphere": (lathe(ball.tolist()), 0),
        "cylinder": (lathe(np.concatenate([lower, upper]).tolist()), 0),
    }


def _symmetric_points(
    mesh: Mesh, symmetry: int, count: int, rng: np.random.Generator
) -> FloatArray:
    """Points on a mesh, the same after each turn that the symmetry allows.

    For any angle they cannot be; there `canonical_turn` leaves no turn about z.
    """
    turns = max(symmetry, 1)
    points = sample_surface(mesh, max(count // turns, 1), rng)
    angles = 2 * np.pi * np.arange(turns) / turns
    c, s, zero = np.cos(angles), np.sin(angles), np.zeros(turns)
    matrices = np.stack([c, -s, zero, s, c, zero, zero, zero, zero + 1], axis=1)
    turned = points @ matrices.reshape(-1, 3, 3).transpose(0, 2, 1)
    return np.asarray(turned.reshape(-1, 3))


def scene_points(scene: Scene, surface_of: SurfaceOf) -> FloatArray:
    """Points ``(n, 3)`` on the surfaces of a scene, in world metres.

    Args:
        scene: an object without a location has no surface; one without a rotation is
            not turned.
        surface_of: see `asset_surfaces` and `solid_surfaces`.
    """
    parts = [
        _posed(obj, surface)
        for obj in scene.objects
        if obj.location is not None and (surface := surface_of(obj)) is not None
    ]
    return np.concatenate(parts) if parts else np.empty((0, 3))


def _posed(obj: SceneObject, surface: Surface) -> FloatArray:
    if obj.rotation is None:
        return surface.points + np.asarray(obj.location)
    quat = canonical_turn(obj.rotation, surface.symmetry)
    return surface.points @ matrix_from_quat(quat).T + np.asarray(obj.location)


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
    preds: Sequence[Scene | None], target: Sequence[Scene], surface_of: SurfaceOf
) -> SceneSums:
    """`chamfer` of each predicted scene with the true one, for the mean over scenes.

    A scene in which nothing was predicted, or without a true surface, has none.

    Args:
        preds: predicted scenes, None where the answer does not parse.
        target: true scenes, in the same order.
        surface_of: see `scene_points`; programs do not say extents, so it must know
            those of predicted objects.
    """
    distances = np.array(
        [
            chamfer(
                scene_points(pred or Scene(()), surface_of),
                scene_points(true, surface_of),
            )
            for pred, true in zip(preds, target, strict=True)
        ],
        dtype=np.float64,
    )
    known = np.isfinite(distances)
    return SceneSums(np.where(known, distances, 0.0), known.astype(np.float64))
