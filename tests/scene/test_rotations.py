import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from igllm_pipelines.scene.rotations import (
    COMPONENTS,
    canonical_turn,
    from_representation,
    geodesic_angle_rad,
    matrix_from_quat,
    normalize_quat,
    quat_from_matrix,
    quat_from_yaw,
    to_representation,
    yaw_from_quat,
)
from tests.scene.strategies import turned_about_own_z

SCIPY = {
    "euler": lambda r: r.as_euler("xyz"),
    "euler_int": lambda r: r.as_euler("XYZ"),
    "aa": lambda r: r.as_rotvec(),
    "6d": lambda r: r.as_matrix()[..., :2, :].reshape(-1, 6),
    "quat": lambda r: np.roll(r.as_quat(canonical=True), 1, axis=-1),
}


@pytest.fixture(scope="module")
def rotations():
    return Rotation.random(500, random_state=np.random.default_rng(3))


@pytest.fixture(scope="module")
def quats(rotations):
    return np.roll(rotations.as_quat(canonical=True), 1, axis=-1)


def test_matrix_equals_scipy(rotations, quats):
    np.testing.assert_allclose(
        matrix_from_quat(quats), rotations.as_matrix(), atol=1e-12
    )


def test_quat_from_matrix_equals_scipy(rotations, quats):
    np.testing.assert_allclose(
        quat_from_matrix(rotations.as_matrix()), quats, atol=1e-12
    )


@pytest.mark.parametrize("axis", np.eye(3))
def test_quat_from_matrix_half_turns(axis):
    matrix = Rotation.from_rotvec(np.pi * axis).as_matrix()
    np.testing.assert_allclose(quat_from_matrix(matrix), [0, *axis], atol=1e-12)


@pytest.mark.parametrize("rep", COMPONENTS)
def test_representation_equals_scipy(rotations, quats, rep):
    np.testing.assert_allclose(
        to_representation(quats, rep), SCIPY[rep](rotations), atol=1e-9
    )


@pytest.mark.parametrize("rep", COMPONENTS)
def test_representation_round_trip(quats, rep):
    back = from_representation(to_representation(quats, rep), rep)
    assert np.degrees(geodesic_angle_rad(quats, back)).max() < 1e-5


@pytest.mark.parametrize("rep", ["euler", "euler_int"])
@pytest.mark.parametrize("pitch", [np.pi / 2, -np.pi / 2])
def test_euler_round_trip_at_gimbal_lock(rep, pitch):
    quat = from_representation([0.3, pitch, -1.1], rep)
    back = from_representation(to_representation(quat, rep), rep)
    assert geodesic_angle_rad(quat, back) < 1e-6


def test_6d_of_a_network_is_orthogonalised():
    quat = from_representation([2.0, 0.1, 0, 0.3, 1.5, 0.2], "6d")
    m = matrix_from_quat(quat)
    np.testing.assert_allclose(m @ m.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(
        m[0], np.array([2, 0.1, 0]) / np.hypot(2, 0.1), atol=1e-12
    )


@pytest.mark.parametrize(
    ("rep", "values", "reason"),
    [
        ("euler", [1, 2], "takes 3 numbers"),
        ("quat", [0, 0, 0, 0], "not zero"),
        ("6d", [0] * 6, "first row"),
        ("6d", [1, 0, 0, 2, 0, 0], "parallel"),
        ("aa", [np.nan, 0, 0], "not finite"),
        ("matrix", [1], "unknown rotation representation"),
    ],
)
def test_representation_bad_input(rep, values, reason):
    with pytest.raises(ValueError, match=reason):
        from_representation(values, rep)


def test_geodesic_angle_equals_scipy(rotations, quats):
    other = np.roll(quats, 1, axis=0)
    turn = rotations.inv() * Rotation.from_matrix(matrix_from_quat(other))
    np.testing.assert_allclose(
        geodesic_angle_rad(quats, other), turn.magnitude(), atol=1e-9
    )


def test_geodesic_angle_ignores_the_sign_of_a_quaternion(quats):
    assert geodesic_angle_rad(quats, -quats).max() == 0


@pytest.mark.parametrize("symmetry", [1, 2, 3, 4, 6])
def test_canonical_turn_is_the_nearest_of_all_by_brute_force(quats, symmetry):
    steps = 2 * np.pi / symmetry * np.arange(symmetry)
    for quat in quats[:100]:
        same = turned_about_own_z(quat, steps)
        angles = geodesic_angle_rad(same, (1, 0, 0, 0))
        canonical = canonical_turn(quat, symmetry)
        assert geodesic_angle_rad(canonical, (1, 0, 0, 0)) <= angles.min() + 1e-9
        assert geodesic_angle_rad(same, canonical).min() < 1e-6


def test_canonical_turn_of_a_round_object_by_brute_force(quats):
    steps = np.linspace(0, 2 * np.pi, 3601)
    for quat in quats[:20]:
        angles = geodesic_angle_rad(turned_about_own_z(quat, steps), (1, 0, 0, 0))
        canonical = canonical_turn(quat, 0)
        nearest = geodesic_angle_rad(canonical, (1, 0, 0, 0))
        assert nearest == pytest.approx(angles.min(), abs=1e-3)
        assert nearest <= angles.min() + 1e-9
        # the axis of the symmetry stays where it was
        up = matrix_from_quat(np.stack([quat, canonical]))[..., 2]
        np.testing.assert_allclose(*up, atol=1e-12)


@pytest.mark.parametrize("symmetry", [0, 2, 4])
def test_canonical_turn_is_the_same_for_all_that_look_the_same(quats, symmetry):
    turn = 2 * np.pi / symmetry if symmetry else 0.77
    for quat in quats[:50]:
        other = canonical_turn(turned_about_own_z(quat, turn), symmetry)
        assert geodesic_angle_rad(canonical_turn(quat, symmetry), other) < 1e-6


def test_canonical_turn_takes_no_negative_symmetry():
    with pytest.raises(ValueError, match="symmetry must not be negative"):
        canonical_turn((1, 0, 0, 0), -1)


@given(st.floats(-np.pi + 1e-6, np.pi))
def test_yaw_round_trip(yaw):
    assert yaw_from_quat(quat_from_yaw(yaw)) == pytest.approx(yaw, abs=1e-9)


def test_normalize_quat_prefers_positive_w(quats):
    assert (normalize_quat(-quats)[..., 0] >= 0).all()
