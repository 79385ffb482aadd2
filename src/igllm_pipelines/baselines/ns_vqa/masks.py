"""Instance masks of CLEVR scenes, by rays against the shapes as formulas.

Labels hold the camera and every object, so no renderer is needed. The shapes are those
that are rendered: a sphere, and a cube and a cylinder with round edges. Rays march by
the signed distance to them (Hart 1996).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.domains.clevr import RADIUS_M
from igllm_pipelines.scene.rotations import matrix_from_quat
from igllm_pipelines.scene.scene import Scene, SceneObject

Array = NDArray[np.float64]
Masks = NDArray[np.bool_]

# of shapes of half extent 1
CUBE_EDGE, CYLINDER_EDGE = 0.2, 0.085
_REACH = np.sqrt(3.0)
_STEPS = 40
_HIT = 2e-3


def _sphere(points: Array) -> Array:
    return np.linalg.norm(points, axis=1) - 1


def _cube(points: Array) -> Array:
    return _rounded(np.abs(points) - (1 - CUBE_EDGE), CUBE_EDGE)


def _cylinder(points: Array) -> Array:
    profile = np.stack([np.hypot(points[:, 0], points[:, 1]), np.abs(points[:, 2])], 1)
    return _rounded(profile - (1 - CYLINDER_EDGE), CYLINDER_EDGE)


def _rounded(beyond: Array, edge: float) -> Array:
    """Distance to a box or profile whose edges have the radius `edge`.

    Args:
        beyond: distance along each axis beyond the core.
        edge: radius of the edges.
    """
    outside = np.linalg.norm(np.maximum(beyond, 0), axis=1)
    return outside + np.minimum(beyond.max(axis=1), 0) - edge


_DISTANCE: dict[str, Callable[[Array], Array]] = {
    "sphere": _sphere,
    "cube": _cube,
    "cylinder": _cylinder,
}


def object_masks(scene: Scene) -> Masks:
    """Which pixels show which object, ``(num_objects, height, width)``.

    A pixel belongs to the object that a ray through its centre meets first.

    Raises:
        ValueError: the scene has no camera, or an object lacks location, size or shape
            or is no CLEVR shape.

    >>> from igllm_pipelines.domains.clevr import ClevrConfig
    >>> scene = ClevrConfig().sample("train", (7, 0))
    >>> object_masks(scene).shape == (len(scene.objects), 128, 128)
    True
    """
    camera = scene.camera
    if camera is None:
        raise ValueError(f"{scene.image_filename}: masks need the camera in the labels")
    eye = np.asarray(camera.world_from_camera)[:3, 3]
    u, v = np.meshgrid(
        np.arange(camera.width_px) + 0.5, np.arange(camera.height_px) + 0.5
    )
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3)
    rays = camera.unproject(pixels) - eye
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    depths = np.full((1 + len(scene.objects), len(rays)), np.inf)
    for depth, obj in zip(depths[1:], scene.objects, strict=True):
        passing, found_m = _meet(obj, eye, rays, scene.image_filename)
        depth[passing] = found_m
    # the first row stands for nothing: it wins where no object is met
    masks: Masks = depths.argmin(axis=0) == np.arange(1, len(depths))[:, None]
    return masks.reshape(-1, camera.height_px, camera.width_px)


def _meet(
    obj: SceneObject, eye: Array, rays: Array, name: str
) -> tuple[NDArray[np.int64], Array]:
    """Indices of the rays that pass the object, and where they meet it in metres."""
    radius_m = RADIUS_M.get(obj.size or "")
    distance = _DISTANCE.get(obj.shape or "")
    if obj.location is None or radius_m is None or distance is None:
        raise ValueError(
            f"{name}: masks need location, size and shape of CLEVR, there are "
            f"{obj.location}, {obj.size!r} and {obj.shape!r}"
        )
    to_object = (np.asarray(obj.location) - eye) / radius_m
    along = rays @ to_object
    off_axis = to_object @ to_object - along**2
    passing = np.flatnonzero(off_axis <= _REACH**2)
    turn = matrix_from_quat(obj.rotation or (1.0, 0.0, 0.0, 0.0))
    start, steps = -to_object @ turn, rays[passing] @ turn
    travelled = along[passing] - np.sqrt(_REACH**2 - off_axis[passing])
    met = _march(distance, start, steps, travelled)
    return passing, radius_m * met


def _march(
    distance: Callable[[Array], Array], start: Array, steps: Array, travelled: Array
) -> Array:
    """How far each ray goes until it meets the shape, infinite if it does not."""
    met = np.full(len(steps), np.inf)
    going = np.arange(len(steps))
    last = travelled + 2 * _REACH
    for _ in range(_STEPS):
        free = distance(start + travelled[going, None] * steps[going])
        hit = free < _HIT
        met[going[hit]] = travelled[going[hit]]
        travelled[going] += free
        going = going[~hit & (travelled[going] < last[going])]
    return met


def boxes_of(masks: Masks) -> NDArray[np.float32]:
    """Boxes ``(num_objects, 4)``, x0 y0 x1 y1 in pixels, around masks that have pixels.

    >>> boxes_of(np.array([[[False, False], [False, True]]]))
    array([[1., 1., 2., 2.]], dtype=float32)
    """
    height, width = masks.shape[1:]
    rows, columns = masks.any(axis=2), masks.any(axis=1)
    edges = (
        columns.argmax(axis=1),
        rows.argmax(axis=1),
        width - columns[:, ::-1].argmax(axis=1),
        height - rows[:, ::-1].argmax(axis=1),
    )
    return np.stack(edges, axis=1).astype(np.float32)
