"""Orientations and boxes: drawing them, and testing where they lie."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from igllm_pipelines.assets import Asset
from igllm_pipelines.scene.rotations import matrix_from_quat, quat_from_matrix
from igllm_pipelines.scene.scene import Camera, Quaternion, Vector3

Array = NDArray[np.float64]
_SIGNS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])


def uniform_quat(rng: np.random.Generator) -> Quaternion:
    """A uniform random orientation (Shoemake, Uniform random rotations, 1992)."""
    share, a, b = rng.uniform(size=3)
    a, b = 2 * np.pi * a, 2 * np.pi * b
    small, large = np.sqrt(1 - share), np.sqrt(share)
    return (
        float(large * np.cos(b)),
        float(small * np.sin(a)),
        float(small * np.cos(a)),
        float(large * np.sin(b)),
    )


def quat_near(
    rng: np.random.Generator, axis: ArrayLike, low_deg: float, high_deg: float
) -> Quaternion:
    """A uniform orientation whose forward axis lies at a given angle from `axis`.

    Args:
        rng: random numbers.
        axis: world direction, of any length but zero.
        low_deg: least angle.
        high_deg: largest angle; from 0 to 180 are all orientations.
    """
    cosine = rng.uniform(*np.cos(np.radians([high_deg, low_deg])))
    around, roll = rng.uniform(0, 2 * np.pi, 2)
    frame = _frame(axis)
    forward = frame @ _polar(cosine, around)
    right, up = _frame(forward)[:, :2].T
    x = np.cos(roll) * right + np.sin(roll) * up
    matrix = np.stack([x, forward, np.cross(x, forward)], axis=-1)
    quat: list[float] = quat_from_matrix(matrix).tolist()
    return (quat[0], quat[1], quat[2], quat[3])


def _polar(cosine: float, around: float) -> Array:
    sine = np.sqrt(max(0.0, 1 - cosine**2))
    return np.array([sine * np.cos(around), sine * np.sin(around), cosine])


def _frame(axis: ArrayLike) -> Array:
    """A rotation matrix ``(3, 3)`` whose last column is `axis`, of length 1."""
    z = np.asarray(axis, dtype=np.float64)
    z = z / np.linalg.norm(z)
    x = np.cross(np.eye(3)[np.argmin(np.abs(z))], z)
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=-1)


def forward_angle_deg(quat: ArrayLike, axis: ArrayLike) -> Array:
    """Angle in [0, 180] between the forward axis (+y) and a world direction.

    >>> forward_angle_deg([1, 0, 0, 0], [1, 0, 0]).round(6).item()
    90.0
    """
    forward = matrix_from_quat(quat)[..., :, 1]
    direction = np.asarray(axis, dtype=np.float64)
    across = np.linalg.norm(np.cross(forward, direction), axis=-1)
    angle: Array = np.degrees(np.arctan2(across, forward @ direction))
    return angle


def extents_m(asset: Asset, diagonal_m: float) -> Vector3:
    """Size of an asset's bounding box whose diagonal is made `diagonal_m` long."""
    x, y, z = asset.extents
    return (x * diagonal_m, y * diagonal_m, z * diagonal_m)


def box_corners(location: ArrayLike, quat: ArrayLike, extents: Vector3) -> Array:
    """World corners ``(8, 3)`` of a bounding box that is `extents` metres large."""
    offsets = _SIGNS * np.asarray(extents) / 2
    corners: Array = offsets @ matrix_from_quat(quat).T + np.asarray(location)
    return corners


def half_height_m(quat: ArrayLike, extents: Vector3) -> float:
    """How far a turned box reaches below its centre."""
    return float(np.abs(matrix_from_quat(quat)[2]) @ np.asarray(extents) / 2)


def in_image(camera: Camera, points: ArrayLike) -> bool:
    """Whether all points ``(n, 3)`` lie before the camera and inside the image."""
    u, v, depth = camera.project(points).T
    inside = (u >= 0) & (u <= camera.width_px) & (v >= 0) & (v <= camera.height_px)
    return bool(np.all(inside & (depth > 0)))
