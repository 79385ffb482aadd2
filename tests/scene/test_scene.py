import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igllm_pipelines.scene import Camera, Light, Scene, SceneObject
from igllm_pipelines.scene.rotations import quat_from_matrix
from igllm_pipelines.scene.scene import look_at_rotation


def camera(width=320, height=240):
    return Camera.look_at(
        (7.481132, -6.50764, 5.343665),
        (0, 0, 0),
        lens_mm=35,
        sensor_width_mm=32,
        width_px=width,
        height_px=height,
    )


coordinate = st.floats(-3, 3)


@given(st.tuples(coordinate, coordinate, coordinate))
def test_projection_round_trip(point):
    cam = camera()
    np.testing.assert_allclose(cam.unproject(cam.project(point)), point, atol=1e-9)


def test_projection_of_the_target_is_the_image_centre():
    u, v, depth = camera().project((0, 0, 0))
    assert (u, v) == pytest.approx((160, 120))
    assert depth == pytest.approx(np.linalg.norm([7.481132, 6.50764, 5.343665]))


def test_projection_scales_with_the_image():
    small, large = camera(), camera(640, 480)
    np.testing.assert_allclose(
        2 * small.project((1, 2, 0.5))[:2], large.project((1, 2, 0.5))[:2]
    )


def test_sensor_belongs_to_the_longer_side():
    assert camera(240, 320).focal_px == camera(320, 240).focal_px == 350


def test_up_in_the_world_is_up_in_the_image():
    assert camera().project((0, 0, 1))[1] < 120


def test_look_at_rotation_is_a_rotation():
    m = look_at_rotation((1, 2, 3), (0, 0, 0))
    np.testing.assert_allclose(m @ m.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(m) == pytest.approx(1)


def test_look_at_straight_down_is_an_error():
    with pytest.raises(ValueError, match="not vertical"):
        look_at_rotation((0, 0, 5), (0, 0, 0))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("location", (1, 2), "3 numbers"),
        ("location", (1, 2, float("nan")), "finite"),
        ("location", "abc", "numbers"),
        ("rotation", (0, 0, 0, 0), "not zero"),
        ("pixel_coords", (1, float("inf"), 0), "finite"),
    ],
)
def test_object_bad_field(field, value, reason):
    with pytest.raises(ValueError, match=reason):
        SceneObject(**{field: value})


def test_camera_rejects_a_scaled_matrix():
    with pytest.raises(ValueError, match="rotation and a translation"):
        Camera(tuple(map(tuple, 2 * np.eye(4))), 35, 32, 10, 10)


def test_camera_rejects_an_empty_image():
    with pytest.raises(ValueError, match="width_px"):
        camera(width=0)


def test_light_kind_is_checked():
    with pytest.raises(ValueError, match="AREA or SUN"):
        Light("l", "POINT", (0, 0, 1), (1, 0, 0, 0), 1, 1, (1, 1, 1))


def test_left_to_right_sorts_by_pixel_column():
    objects = [
        SceneObject(shape="a"),
        SceneObject(shape="b", pixel_coords=(9, 0, 1)),
        SceneObject(shape="c", pixel_coords=(2, 0, 1)),
    ]
    ordered = Scene(tuple(objects)).left_to_right().objects
    assert [o.shape for o in ordered] == ["c", "b", "a"]


def test_locations_of_unknown_objects_are_nan():
    locations = Scene((SceneObject(), SceneObject(location=(1, 2, 3)))).locations()
    assert np.isnan(locations[0]).all()
    assert locations[1].tolist() == [1, 2, 3]


def test_rotation_is_normalised_once():
    quat = quat_from_matrix(np.eye(3))
    assert SceneObject(rotation=tuple(3 * quat)).rotation == (1, 0, 0, 0)
