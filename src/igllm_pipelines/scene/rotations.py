"""Rotations: unit quaternions inside, five representations outside.

A quaternion is ``(w, x, y, z)`` with ``w >= 0``, the same order as Blender's. A
matrix turns column vectors of the object frame into the world frame. Functions take
and return float64 arrays with any number of leading dimensions.

Representations (`to_representation`, `from_representation`):

==============  ==========  ======================================================
name            components  meaning
==============  ==========  ======================================================
``euler``       3           extrinsic x, y, z angles in radians: ``Rz @ Ry @ Rx``
``euler_int``   3           intrinsic X, Y, Z angles in radians: ``Rx @ Ry @ Rz``
``aa``          3           rotation vector (axis times angle in radians)
``6d``          6           first two rows of the matrix, row-major
``quat``        4           ``w, x, y, z``
==============  ==========  ======================================================
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

COMPONENTS = {"euler": 3, "euler_int": 3, "aa": 3, "6d": 6, "quat": 4}
_GIMBAL = 1.0 - 1e-12


def normalize_quat(quat: ArrayLike) -> Array:
    """Returns the unit quaternion with ``w >= 0``.

    Raises:
        ValueError: the norm is zero or not finite.

    >>> normalize_quat([0.0, 0.0, 0.0, -2.0])
    array([0., 0., 0., 1.])
    """
    q = np.asarray(quat, dtype=np.float64)
    with np.errstate(over="ignore"):  # numbers beyond 1e154 have no squares
        norm = np.linalg.norm(q, axis=-1, keepdims=True)
    if not np.all(np.isfinite(norm)) or np.any(norm < 1e-12):
        raise ValueError("a rotation quaternion must be finite and not zero")
    # what was divided once is left alone, so that labels survive being read again
    q = q / np.where(np.abs(norm - 1) < 1e-14, 1.0, norm)
    first = np.take_along_axis(
        q, np.argmax(np.abs(q) > 1e-12, axis=-1)[..., None], axis=-1
    )
    return q * np.where(first < 0, -1.0, 1.0) + 0.0


def matrix_from_quat(quat: ArrayLike) -> Array:
    """Rotation matrices ``(..., 3, 3)`` of unit quaternions ``(..., 4)``."""
    w, x, y, z = np.moveaxis(normalize_quat(quat), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quat_from_matrix(matrix: ArrayLike) -> Array:
    """Unit quaternions ``(..., 4)`` of rotation matrices ``(..., 3, 3)``.

    Of the four ways to divide, the one with the largest divisor is taken (Shepperd's
    method), so that no rotation loses precision.
    """
    m = np.asarray(matrix, dtype=np.float64)
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    m01, m02, m12 = m[..., 0, 1], m[..., 0, 2], m[..., 1, 2]
    m10, m20, m21 = m[..., 1, 0], m[..., 2, 0], m[..., 2, 1]
    candidates = np.stack(
        [
            np.stack([1 + m00 + m11 + m22, m21 - m12, m02 - m20, m10 - m01], -1),
            np.stack([m21 - m12, 1 + m00 - m11 - m22, m01 + m10, m02 + m20], -1),
            np.stack([m02 - m20, m01 + m10, 1 - m00 + m11 - m22, m12 + m21], -1),
            np.stack([m10 - m01, m02 + m20, m12 + m21, 1 - m00 - m11 + m22], -1),
        ],
        axis=-2,
    )
    divisors = np.diagonal(candidates, axis1=-2, axis2=-1)
    best = np.argmax(divisors, axis=-1)[..., None, None]
    return normalize_quat(np.take_along_axis(candidates, best, axis=-2)[..., 0, :])


def _axis_matrices(angles: Array) -> tuple[Array, Array, Array]:
    """Matrices that turn by ``angles[..., 0:3]`` about x, y and z."""
    half = angles / 2
    quats = np.zeros((*angles.shape, 4))
    quats[..., 0] = np.cos(half)
    for axis in range(3):
        quats[..., axis, axis + 1] = np.sin(half[..., axis])
    m = matrix_from_quat(quats)
    return m[..., 0, :, :], m[..., 1, :, :], m[..., 2, :, :]


def _matrix_from_6d(values: Array) -> Array:
    """Gram-Schmidt on the two rows, then their cross product (Zhou et al. 2019)."""
    a, b = values[..., :3], values[..., 3:]
    norm_a = np.linalg.norm(a, axis=-1, keepdims=True)
    if not np.all((norm_a >= 1e-12) & np.isfinite(norm_a)):
        raise ValueError("the first row of a 6d rotation is zero or too long")
    a = a / norm_a
    b = b - np.sum(a * b, axis=-1, keepdims=True) * a
    norm_b = np.linalg.norm(b, axis=-1, keepdims=True)
    if not np.all((norm_b >= 1e-12) & np.isfinite(norm_b)):
        raise ValueError("the two rows of a 6d rotation are parallel, or too long")
    b = b / norm_b
    return np.stack([a, b, np.cross(a, b)], axis=-2)


def _quat_from_rotation_vector(vector: Array) -> Array:
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    # sin(angle / 2) / angle, finite at zero
    scale = 0.5 * np.sinc(angle / (2 * np.pi))
    return normalize_quat(np.concatenate([np.cos(angle / 2), scale * vector], axis=-1))


def _rotation_vector_from_quat(quat: Array) -> Array:
    q = normalize_quat(quat)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, q[..., :1])
    scale = np.where(sine < 1e-12, 2.0, angle / np.maximum(sine, 1e-12))
    return q[..., 1:] * scale


def _euler_from_matrix(m: Array) -> Array:
    """Extrinsic x, y, z angles; at gimbal lock the z angle is set to 0."""
    sin_y = np.clip(-m[..., 2, 0], -1.0, 1.0)
    locked = np.abs(sin_y) > _GIMBAL
    x = np.where(
        locked,
        np.arctan2(-m[..., 1, 2], m[..., 1, 1]),
        np.arctan2(m[..., 2, 1], m[..., 2, 2]),
    )
    z = np.where(locked, 0.0, np.arctan2(m[..., 1, 0], m[..., 0, 0]))
    return np.stack([x, np.arcsin(sin_y), z], axis=-1)


def _euler_int_from_matrix(m: Array) -> Array:
    """Intrinsic X, Y, Z angles; at gimbal lock the Z angle is set to 0."""
    # Rx Ry Rz is the transpose of the extrinsic form with all angles negated
    return -_euler_from_matrix(np.swapaxes(m, -1, -2))


def to_representation(quat: ArrayLike, rep: str) -> Array:
    """Writes quaternions ``(..., 4)`` as ``(..., COMPONENTS[rep])``.

    Raises:
        ValueError: `rep` is unknown.

    >>> to_representation([1, 0, 0, 0], "6d")
    array([1., 0., 0., 0., 1., 0.])
    """
    if rep == "quat":
        return normalize_quat(quat)
    if rep == "aa":
        return _rotation_vector_from_quat(np.asarray(quat, dtype=np.float64))
    m = matrix_from_quat(quat)
    if rep == "6d":
        return m[..., :2, :].reshape(*m.shape[:-2], 6)
    if rep == "euler":
        return _euler_from_matrix(m)
    if rep == "euler_int":
        return _euler_int_from_matrix(m)
    raise ValueError(_unknown(rep))


def from_representation(values: ArrayLike, rep: str) -> Array:
    """Reads unit quaternions ``(..., 4)`` from ``(..., COMPONENTS[rep])`` numbers.

    ``6d`` rows need not be orthogonal or of unit length: a network wrote them.

    Raises:
        ValueError: `rep` is unknown, the number of components is wrong, a number is
            not finite, or the numbers name no rotation (a zero quaternion, parallel
            6d rows).

    >>> from_representation([0, 0, np.pi], "aa").round(3)
    array([0., 0., 0., 1.])
    """
    if rep not in COMPONENTS:
        raise ValueError(_unknown(rep))
    v = np.asarray(values, dtype=np.float64)
    if v.shape[-1] != COMPONENTS[rep]:
        raise ValueError(
            f"{rep} takes {COMPONENTS[rep]} numbers, there are {v.shape[-1]}"
        )
    if not np.all(np.isfinite(v)):
        raise ValueError(f"a number of the {rep} rotation is not finite")
    with np.errstate(over="ignore", invalid="ignore"):
        return _quat_from(v, rep)


def _quat_from(v: Array, rep: str) -> Array:
    if rep == "quat":
        return normalize_quat(v)
    if rep == "aa":
        return _quat_from_rotation_vector(v)
    if rep == "6d":
        return quat_from_matrix(_matrix_from_6d(v))
    x, y, z = _axis_matrices(v)
    return quat_from_matrix(z @ y @ x if rep == "euler" else x @ y @ z)


def _unknown(rep: str) -> str:
    return f"unknown rotation representation {rep!r}, known: {', '.join(COMPONENTS)}"


def quat_from_yaw(yaw_rad: ArrayLike) -> Array:
    """Quaternions ``(..., 4)`` that turn by `yaw_rad` about the world's z axis."""
    half = np.asarray(yaw_rad, dtype=np.float64) / 2
    zero = np.zeros_like(half)
    return normalize_quat(np.stack([np.cos(half), zero, zero, np.sin(half)], axis=-1))


def yaw_from_quat(quat: ArrayLike) -> Array:
    """Angle in (-pi, pi] of the object's x axis in the world's xy plane."""
    m = matrix_from_quat(quat)
    return np.arctan2(m[..., 1, 0], m[..., 0, 0])


def canonical_turn(quat: ArrayLike, symmetry: int) -> Array:
    """Of all rotations that look the same, the one nearest to none.

    An object that looks the same after a turn by ``2 pi / symmetry`` about its own z
    axis has as many rotations ``(..., 4)`` for one picture.

    Args:
        quat: the rotation.
        symmetry: order of the symmetry, 1 for none, 0 for any angle.

    Raises:
        ValueError: `symmetry` is negative.

    >>> turned = quat_from_yaw(np.radians(100))
    >>> np.degrees(yaw_from_quat(canonical_turn(turned, 4))).round(6).item()
    10.0
    """
    if symmetry < 0:
        raise ValueError(f"symmetry must not be negative, it is {symmetry}")
    q = normalize_quat(quat)
    # the product with a turn by a has w cos(a/2) - z sin(a/2): largest at this angle
    angle = -2 * np.arctan2(q[..., 3], q[..., 0])
    if symmetry:
        step = 2 * np.pi / symmetry
        angle = np.round(angle / step) * step
    c, s = np.cos(angle / 2), np.sin(angle / 2)
    w, x, y, z = np.moveaxis(q, -1, 0)
    turned = [w * c - z * s, x * c + y * s, y * c - x * s, z * c + w * s]
    return normalize_quat(np.stack(turned, axis=-1))


def quat_between(a: ArrayLike, b: ArrayLike) -> Array:
    """The rotation ``(..., 4)`` in the frame of `a` that leads to `b`: ``a^-1 b``.

    >>> quat_between([0, 0, 0, 1], [0, 0, 0, 1])
    array([1., 0., 0., 0.])
    """
    aw, ax, ay, az = np.moveaxis(normalize_quat(a) * (1, -1, -1, -1), -1, 0)
    bw, bx, by, bz = np.moveaxis(normalize_quat(b), -1, 0)
    product = [
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    ]
    return normalize_quat(np.stack(product, axis=-1))


def geodesic_angle_rad(a: ArrayLike, b: ArrayLike) -> Array:
    """Angle in [0, pi] of the rotation that leads from `a` to `b`.

    >>> float(np.degrees(geodesic_angle_rad([1, 0, 0, 0], [0, 0, 0, 1])))
    180.0
    """
    qa, qb = normalize_quat(a), normalize_quat(b)
    # atan2 of both parts: arccos of the product alone loses small angles
    return 4 * np.arctan2(
        np.linalg.norm(qa - _toward(qb, qa), axis=-1),
        np.linalg.norm(qa + _toward(qb, qa), axis=-1),
    )


def _toward(b: Array, a: Array) -> Array:
    """Of `b` and `-b`, the one nearer to `a`."""
    dot = np.sum(a * b, axis=-1, keepdims=True)
    return b * np.where(dot < 0, -1.0, 1.0)
