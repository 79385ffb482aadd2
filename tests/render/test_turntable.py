"""Scenes of one asset: framed from every side."""

import math

import numpy as np
import pytest

from igllm_pipelines.assets import Asset
from igllm_pipelines.render.turntable import FILL, asset_scene

TALL = Asset("chair_0000", "chair", (0.48, 0.36, 0.8))


@pytest.mark.parametrize("yaw_rad", [0.0, 1.0, math.pi / 2, 4.0])
@pytest.mark.parametrize("pitch_rad", [-0.5, 0.0, 0.6, 1.5])
def test_asset_is_framed(yaw_rad, pitch_rad):
    scene = asset_scene(TALL, yaw_rad, pitch_rad, size_px=100)
    (obj,) = scene.objects
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    pixels = scene.camera.project(corners * TALL.extents / 2 + obj.location)
    assert pixels[:, :2].min() > 0
    assert pixels[:, :2].max() < 100
    assert obj.pixel_coords[:2] == pytest.approx((50, 50))
    # the sphere around the box spans this share of the picture's angle
    half_px = scene.camera.focal_px * math.tan(math.asin(0.5 / obj.pixel_coords[2]))
    assert half_px == pytest.approx(50 * FILL, rel=0.02)


def test_asset_stands_on_the_ground_and_is_a_metre_across():
    (obj,) = asset_scene(TALL, 0.0, 0.3).objects
    assert obj.location == (0.0, 0.0, 0.4)
    assert np.linalg.norm(obj.extents) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("yaw_rad", "near"), [(0.0, (0, 1)), (math.pi / 2, (-1, 0)), (math.pi, (0, -1))]
)
def test_yaw_goes_from_the_front_to_the_left(yaw_rad, near):
    camera = asset_scene(TALL, yaw_rad, 0.3).camera
    place = np.asarray(camera.world_from_camera)[:2, 3]
    assert place / np.linalg.norm(place) == pytest.approx(near, abs=1e-9)


def test_lamps_go_round_with_the_camera():
    seen = [
        [scene.camera.project(lamp.location) for lamp in scene.lights]
        for scene in (asset_scene(TALL, yaw, 0.3) for yaw in (0.0, 2.0))
    ]
    assert np.allclose(*seen)


def test_look_is_handed_on():
    scene = asset_scene(TALL, 0.0, 0.3, color="red", texture="wood_0001")
    (obj,) = scene.objects
    assert (obj.shape, obj.color, obj.texture) == ("chair_0000", "red", "wood_0001")
    assert scene.backdrop == "floor"
    assert scene.image_filename == "chair_0000.png"
