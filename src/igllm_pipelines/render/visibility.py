"""Counts the pixels in which each object is seen, by rays against the meshes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.render.assets import RADIUS_M
from igllm_pipelines.scene.rotations import matrix_from_quat
from igllm_pipelines.scene.scene import Camera, Scene

Array = NDArray[np.float64]
STEP_PX = 2  # one ray for every second pixel of a row and of a column


def count_visible_pixels(scene: Scene, meshes: Sequence[Any]) -> list[int]:
    """Pixels a visible object, counted at half size and scaled up.

    Args:
        scene: with a camera; every object has location and size.
        meshes: one Blender mesh an object.

    Raises:
        ValueError: the scene has no camera.
    """
    from mathutils import Vector

    if scene.camera is None:
        raise ValueError("a scene without camera has no visible pixels")
    tree, owner = _tree(scene, meshes)
    origin = Vector(np.asarray(scene.camera.world_from_camera)[:3, 3])
    counts = [0] * len(scene.objects)
    for direction in _directions(scene, scene.camera):
        face = tree.ray_cast(origin, Vector(direction))[2]
        if face is not None:
            counts[owner[face]] += STEP_PX**2
    return counts


def _tree(scene: Scene, meshes: Sequence[Any]) -> tuple[Any, list[int]]:
    """One search tree of all objects, and the object that each face belongs to."""
    from mathutils.bvhtree import BVHTree

    vertices: list[Any] = []
    faces: list[Any] = []
    owner: list[int] = []
    for index, (obj, mesh) in enumerate(zip(scene.objects, meshes, strict=True)):
        start = len(vertices)
        turn = matrix_from_quat(obj.rotation or (1.0, 0.0, 0.0, 0.0))
        local = np.empty(3 * len(mesh.vertices), dtype=np.float32)
        mesh.vertices.foreach_get("co", local)
        scale = RADIUS_M[str(obj.size)]
        world = local.reshape(-1, 3) @ turn.T * scale + np.asarray(obj.location)
        vertices.extend(world.tolist())
        faces.extend([start + v for v in face.vertices] for face in mesh.polygons)
        owner.extend([index] * len(mesh.polygons))
    return BVHTree.FromPolygons(vertices, faces), owner


def _directions(scene: Scene, camera: Camera) -> Array:
    """Unit directions ``(rays, 3)`` that pass the bounding sphere of some object."""
    columns = np.arange(STEP_PX / 2, camera.width_px, STEP_PX)
    rows = np.arange(STEP_PX / 2, camera.height_px, STEP_PX)
    u, v = np.meshgrid(columns, rows)
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3)
    eye = np.asarray(camera.world_from_camera)[:3, 3]
    rays = camera.unproject(pixels) - eye
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    to_object = scene.locations() - eye
    reach = np.sqrt(3) * np.asarray([RADIUS_M[str(o.size)] for o in scene.objects])
    along = rays @ to_object.T
    off_axis = np.sum(to_object**2, axis=1) - along**2
    return rays[np.any(off_axis <= reach**2, axis=1)]
