"""Masks of CLEVR scenes."""

from dataclasses import replace

import numpy as np
import pytest

from igllm_pipelines.baselines.ns_vqa.masks import boxes_of, object_masks
from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.scene.rotations import quat_from_yaw
from igllm_pipelines.scene.scene import Camera, Scene, SceneObject

CAMERA = Camera.look_at(
    (0, -10, 0.7),
    (0, 0, 0.7),
    lens_mm=64,
    sensor_width_mm=32,
    width_px=200,
    height_px=200,
)


def one(shape, yaw=0.0, **fields):
    obj = {
        "location": (0.0, 0.0, 0.7),
        "rotation": tuple(quat_from_yaw(yaw)),
        "size": "large",
        "shape": shape,
    }
    return SceneObject(**{**obj, **fields})


def side_px(radius_m, distance_m):
    return 2 * CAMERA.focal_px * radius_m / distance_m


# the pixels in which Blender's meshes were seen when these scenes were rendered,
# counted there by one ray for every second pixel of a row and of a column
RENDERED = {
    (7, 2398175601, 4, 0): (592, 72, 524, 60, 376),
    (7, 2398175601, 18, 0): (60, 732, 660, 612, 284, 248),
    (7, 2398175601, 37, 0): (260, 364, 284, 1064, 420, 232),
}


@pytest.mark.parametrize("seed", RENDERED)
def test_masks_have_the_pixels_that_the_renderer_counted(seed):
    masks = object_masks(ClevrConfig().sample("val_ID", seed))
    counted = np.array(RENDERED[seed])
    # rays through every fourth pixel err by about the square root of an edge's length
    assert (np.abs(masks.sum(axis=(1, 2)) - counted) < 4 + 2 * np.sqrt(counted)).all()


def test_a_sphere_is_a_disk_of_its_size():
    (mask,) = object_masks(Scene((one("sphere"),), camera=CAMERA))
    # the cone that touches the sphere: sine of its half angle is radius / distance
    radius_px = CAMERA.focal_px * np.tan(np.arcsin(0.07))
    assert mask.sum() == pytest.approx(np.pi * radius_px**2, rel=0.01)


def test_a_cube_seen_from_the_front_is_a_square():
    (mask,) = object_masks(Scene((one("cube"),), camera=CAMERA))
    side = side_px(0.7, 9.3)
    ((x0, y0, x1, y1),) = boxes_of(mask[None])
    assert x1 - x0 == pytest.approx(side, abs=2.5)  # round edges hide a little
    assert y1 - y0 == pytest.approx(side, abs=2.5)
    assert mask[100, 100]


def test_a_turned_cube_is_wider():
    front, turned = (
        object_masks(Scene((one("cube", yaw),), camera=CAMERA))[0]
        for yaw in (0.0, np.pi / 4)
    )
    assert (
        np.ptp(np.flatnonzero(turned.any(0))) / np.ptp(np.flatnonzero(front.any(0)))
        > 1.15
    )


def test_a_cylinder_does_not_turn():
    masks = [
        object_masks(Scene((one("cylinder", yaw),), camera=CAMERA)) for yaw in (0, 1)
    ]
    assert np.array_equal(*masks)


def test_the_nearer_object_hides_the_other():
    near = one("cube", location=(0.0, -3.0, 0.7))
    far = one("sphere")
    seen = object_masks(Scene((far, near), camera=CAMERA))
    assert not seen[0].any()
    assert seen[1].any()


def test_a_scene_without_objects_has_no_masks():
    assert object_masks(Scene((), camera=CAMERA)).shape == (0, 200, 200)


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="camera"):
        object_masks(Scene(()))
    with pytest.raises(ValueError, match="teapot"):
        object_masks(Scene((one("teapot"),), camera=CAMERA))
    scene = Scene((replace(one("cube"), size=None),), "a.png", camera=CAMERA)
    with pytest.raises(ValueError, match=r"a\.png.*size"):
        object_masks(scene)
