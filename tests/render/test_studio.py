"""The backdrops: what stands behind, beneath and above the objects."""

from dataclasses import replace

import numpy as np
import pytest

from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.render.turntable import asset_scene

pytestmark = pytest.mark.blender


def sofa(furniture, **view):
    catalog, _ = furniture
    return asset_scene(catalog["sofa_0001"], 0.5, 0.4, size_px=96, **view)


def test_white_is_white_to_the_bit(furniture):
    _, call = furniture
    image = call("picture", sofa(furniture, backdrop="white", color="red"))
    rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    assert (rim == 255).all()
    assert 0.5 < (image == 255).all(axis=-1).mean() < 0.95


def test_sides_of_a_box_before_white_differ_in_brightness(gallery):
    catalog, call = gallery
    scene = asset_scene(
        catalog["chair_sheet"], 0.7, 0.6, size_px=96, backdrop="white", color="gray"
    )
    (box,) = scene.objects
    image = call("picture", scene).astype(float).mean(axis=-1)
    sides = np.diag(np.asarray(box.extents) / 2) * [[-1], [1], [1]]  # left, front, top
    u, v, _ = scene.camera.project(sides + box.location).round().astype(int).T
    dark, middle, light = sorted(
        image[y - 2 : y + 3, x - 2 : x + 3].mean() for x, y in zip(u, v, strict=True)
    )
    assert dark + 8 < middle < light - 8


def test_floor_reaches_to_a_bright_horizon(furniture):
    catalog, call = furniture
    scene = asset_scene(catalog["sofa_0001"], 0.5, 0.05, size_px=96)
    picture = call("picture", replace(scene, objects=())).astype(float)
    image = picture.mean(axis=-1)
    assert image[0].min() > 230
    # the camera looks down by 0.05 rad: the horizon lies by as much above the middle
    row = 48 - scene.camera.focal_px * np.tan(0.05)
    assert np.argmax(image[:, 48] < 200) == pytest.approx(row, abs=2)
    assert np.ptp(picture.mean(axis=(0, 1))) < 3


def test_lamps_throw_shadows_on_the_floor(furniture):
    _, call = furniture
    scene = sofa(furniture, backdrop="floor")
    full = call("picture", scene).astype(float).mean(axis=-1)
    empty = call("picture", replace(scene, objects=())).astype(float).mean(axis=-1)
    ground = call("picture", replace(scene, backdrop="white")).min(axis=-1) == 255
    assert np.percentile((full - empty)[ground], 1) < -25


def test_backdrops_do_not_remember_each_other(blender):
    scene = ClevrConfig(width_px=64, height_px=64).draw(7, "train", 0, 0)
    first = blender("picture", scene).astype(int)
    others = [replace(scene, backdrop=name) for name in ("white", "floor", "sweep")]
    white, floor, sweep = (blender("picture", other) for other in others)
    assert np.abs(first - sweep).max() <= 2
    assert np.abs(first - floor).mean() > 3
    assert np.abs(first - white).mean() > 30
    assert np.abs(first - blender("picture", scene)).max() <= 2
