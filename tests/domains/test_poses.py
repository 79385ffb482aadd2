"""Orientations and boxes against scipy and closed forms."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.stats import kstest

from igllm_pipelines.assets import Asset
from igllm_pipelines.domains.poses import (
    box_corners,
    extents_m,
    forward_angle_deg,
    half_height_m,
    in_image,
    quat_near,
    uniform_quat,
)
from igllm_pipelines.scene import Camera

CAMERA = Camera.look_at(
    (0, -4, 1), (0, 0, 0), lens_mm=32, sensor_width_mm=32, width_px=100, height_px=80
)
QUAT = (0.5, 0.1, -0.7, 0.3)


def drawn(make, count=3000):
    rng = np.random.default_rng(5)
    return np.asarray([make(rng) for _ in range(count)])


def angle_cdf(angle):
    """Share of SO(3) within a rotation angle of the identity."""
    return (angle - np.sin(angle)) / np.pi


@pytest.mark.parametrize(
    "make", [uniform_quat, lambda rng: quat_near(rng, (1, 2, -1), 0, 180)]
)
def test_orientations_are_uniform(make):
    quats = drawn(make)
    rotations = Rotation.from_quat(quats, scalar_first=True)
    assert kstest(rotations.magnitude(), angle_cdf).pvalue > 0.01
    # each column of a uniform rotation matrix is uniform on the sphere
    for column in np.moveaxis(rotations.as_matrix(), -1, 0):
        for coordinate in column.T:
            assert kstest(coordinate, "uniform", (-1, 2)).pvalue > 0.001


@pytest.mark.parametrize("bounds", [(0, 40), (40, 180), (90, 90.001)])
def test_forward_axis_keeps_its_angle(bounds):
    quats = drawn(lambda rng: quat_near(rng, (1, 0, 0), *bounds), 500)
    angles = forward_angle_deg(quats, (1, 0, 0))
    assert angles.min() >= bounds[0] - 1e-6
    assert angles.max() <= bounds[1] + 1e-6


def test_forward_angle_by_scipy():
    quats = Rotation.random(50, random_state=np.random.default_rng(1))
    forward = quats.apply((0, 1, 0))
    axis = np.array([0.3, -2.0, 1.0])
    expected = np.degrees(np.arccos(forward @ axis / np.linalg.norm(axis)))
    found = forward_angle_deg(quats.as_quat(scalar_first=True), axis)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_corners_are_turned_and_moved():
    corners = box_corners((1, 2, 3), QUAT, (0.5, 1.0, 2.0))
    rotation = Rotation.from_quat(QUAT, scalar_first=True)
    back = np.abs(rotation.inv().apply(corners - (1, 2, 3)))
    np.testing.assert_allclose(back, [(0.25, 0.5, 1.0)] * 8)
    assert len(np.unique(corners.round(9), axis=0)) == 8


def test_half_height_is_that_of_the_lowest_corner():
    corners = box_corners((0, 0, 0), QUAT, (0.5, 1.0, 2.0))
    assert half_height_m(QUAT, (0.5, 1.0, 2.0)) == pytest.approx(-corners[:, 2].min())


def test_extents_scale_with_the_diagonal():
    extents = extents_m(Asset("a", "chair", (0.6, 0.0 + 0.48, 0.64)), 2.5)
    assert np.linalg.norm(extents) == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("point", "inside"),
    [((0, 0, 0), True), ((3, 0, 0), False), ((0, -9, 2), False), ((0, 0, 1.9), False)],
)
def test_in_image(point, inside):
    assert in_image(CAMERA, [(0, 0, 0), point]) is inside
