"""Counts the pixels in which each object is seen, by rays against the meshes."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.render.assets import scale_m
from igllm_pipelines.scene.rotations import matrix_from_quat
from igllm_pipelines.scene.scene import Camera, Scene, SceneObject

Array = NDArray[np.float64]
STEP_PX = 2  # one ray for every second pixel of a row and of a column


class Solid(Protocol):
    """What rays need of a mesh, in its own frame and units."""

    @property
    def reach(self) -> float:
        """Distance of its farthest vertex from the origin."""

    @property
    def tree(self) -> Any:
        """Its ``mathutils.bvhtree.BVHTree``."""


def count_visible_pixels(scene: Scene, solids: Sequence[Solid]) -> list[int]:
    """Pixels a visible object, counted at half size and scaled up.

    Args:
        scene: with a camera; every object has a location, and a size or extents.
        solids: one an object.

    Raises:
        ValueError: the scene has no camera, or an object lacks size and extents.
    """
    if scene.camera is None:
        raise ValueError("a scene without camera has no visible pixels")
    eye = np.asarray(scene.camera.world_from_camera)[:3, 3]
    rays = _directions(scene.camera)
    nearest_m = np.full(len(rays), np.inf)
    owner = np.full(len(rays), -1)
    for index, (obj, solid) in enumerate(zip(scene.objects, solids, strict=True)):
        passing, hits_m = _cast(obj, solid, eye, rays)
        closer = hits_m < nearest_m[passing]
        nearest_m[passing[closer]] = hits_m[closer]
        owner[passing[closer]] = index
    seen = np.bincount(owner[owner >= 0], minlength=len(scene.objects))
    return [int(count) * STEP_PX**2 for count in seen]


def _cast(
    obj: SceneObject, solid: Solid, eye: Array, rays: Array
) -> tuple[NDArray[np.int64], Array]:
    """Indices of the rays that pass the object, and where they meet it in metres."""
    scale = scale_m(obj)
    to_object = np.asarray(obj.location) - eye
    off_axis = to_object @ to_object - (rays @ to_object) ** 2
    passing = np.flatnonzero(off_axis <= (scale * solid.reach) ** 2)
    turn = matrix_from_quat(obj.rotation or (1.0, 0.0, 0.0, 0.0))
    origin = tuple(-to_object @ turn / scale)
    cast, miss = solid.tree.ray_cast, np.inf
    found = (cast(origin, ray)[3] for ray in (rays[passing] @ turn).tolist())
    hits = [miss if distance is None else distance for distance in found]
    return passing, np.asarray(hits, dtype=np.float64) * scale


def _directions(camera: Camera) -> Array:
    """Unit directions ``(rays, 3)`` in the world."""
    columns = np.arange(STEP_PX / 2, camera.width_px, STEP_PX)
    rows = np.arange(STEP_PX / 2, camera.height_px, STEP_PX)
    u, v = np.meshgrid(columns, rows)
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3)
    rays = camera.unproject(pixels) - np.asarray(camera.world_from_camera)[:3, 3]
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)
