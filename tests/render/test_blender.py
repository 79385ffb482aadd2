"""What we set arrives in Blender, and pictures show it."""

import os
from dataclasses import replace

import numpy as np
import pytest

from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.render.materials import RGB
from igllm_pipelines.scene.rotations import matrix_from_quat, quat_from_yaw
from igllm_pipelines.scene.scene import Scene, SceneObject
from tests.render.conftest import FAST, SHAPES
from tests.render.workers import Probe

pytestmark = pytest.mark.blender

CONFIG = ClevrConfig(width_px=96, height_px=64)


def drawn(index=0, **config):
    return replace(CONFIG, **config).draw(7, "train", index, 0)


def one_object(**attributes):
    described = {
        "location": (0.0, 0.0, 0.7),
        "size": "large",
        "color": "red",
        "material": "rubber",
        "shape": "sphere",
    }
    return replace(drawn(), objects=(SceneObject(**{**described, **attributes}),))


@pytest.mark.parametrize("size", [(96, 64), (64, 64), (48, 96)])
def test_values_arrive_in_blender(blender, size):
    scene = drawn(3, width_px=size[0], height_px=size[1])
    found = blender("read_back", scene)
    assert np.allclose(found["camera"], scene.camera.world_from_camera, atol=1e-6)
    assert found["lens"] == (42.0, 32.0)
    assert found["size"] == size
    assert found["settings"] == (1, "Standard", 1)
    for (kind, matrix, energy, color), light in zip(
        found["lamps"], scene.lights, strict=True
    ):
        assert kind == light.kind
        assert energy == pytest.approx(light.energy)
        assert color == pytest.approx(light.color, abs=1e-6)
        assert np.allclose(matrix[:3, :3], matrix_from_quat(light.rotation), atol=1e-6)
        if kind == "AREA":
            assert np.allclose(matrix[:3, 3], light.location, atol=1e-6)
    for matrix, material, obj in zip(
        found["objects"], found["materials"], scene.objects, strict=True
    ):
        assert np.allclose(matrix[:3, 3], obj.location, atol=1e-6)
        scale = {"large": 0.7, "small": 0.35}[obj.size]
        rotation = matrix_from_quat(obj.rotation) * scale
        assert np.allclose(matrix[:3, :3], rotation, atol=1e-6)
        assert material == f"{obj.material} {obj.color}"


def test_projection_agrees_with_blender(blender):
    for index, size in enumerate([(96, 64), (64, 64), (48, 96)]):
        scene = drawn(index, width_px=size[0], height_px=size[1])
        found = blender("read_back", scene)["projected"]
        labels = np.asarray([obj.pixel_coords for obj in scene.objects])
        assert np.abs(found - labels).max() < 1e-3


def test_scene_count_leaves_no_data_behind(blender):
    first = blender("read_back", drawn(0))["counts"]
    for index in range(1, 25):
        blender("read_back", drawn(index))
    last = blender("read_back", drawn(0))["counts"]
    assert last["materials"] <= 16
    del first["materials"], last["materials"]
    assert first == last


@pytest.mark.parametrize("material", CLEVR_WORDS["material"])
def test_objects_show_their_color(blender, material):
    for color in ("red", "green", "blue", "yellow"):
        scene = one_object(color=color, material=material)
        u, v, _ = scene.camera.project((0.0, 0.0, 0.7))
        image = blender("picture", scene).astype(float)
        patch = image[int(v) - 5 : int(v) + 6, int(u) - 5 : int(u) + 6]
        seen, wanted = patch.mean(axis=(0, 1)), np.asarray(RGB[color])
        assert np.corrcoef(seen, wanted)[0, 1] > 0.9


def test_background_is_as_bright_as_in_clevr(blender):
    config = ClevrConfig(width_px=120, height_px=80, lens_mm=35)
    empty = replace(config.draw(7, "train", 0, 0), objects=())
    image = blender("picture", empty).astype(float).mean(axis=-1)
    assert image[:3, :3].mean() == pytest.approx(105, abs=8)
    assert image[-3:].mean() == pytest.approx(142, abs=15)


def test_yaw_turns_the_picture(blender):
    pictures = [
        blender(
            "picture",
            one_object(shape="cube", rotation=tuple(quat_from_yaw(np.radians(yaw)))),
        ).astype(int)
        for yaw in (0, 45, 90)
    ]
    assert np.abs(pictures[0] - pictures[1]).max() > 50
    assert np.abs(pictures[0] - pictures[2]).mean() < 1


def test_visible_pixels_of_a_sphere_are_its_outline(blender):
    scene = one_object()
    (seen,) = blender("visible", scene)
    depth = scene.camera.project((0.0, 0.0, 0.7))[2]
    radius_px = scene.camera.focal_px * 0.7 / depth
    assert seen == pytest.approx(np.pi * radius_px**2, rel=0.06)


def test_hidden_object_has_no_visible_pixels(blender):
    big = one_object().objects[0]
    camera = np.asarray(drawn().camera.world_from_camera)[:3, 3]
    behind = np.asarray(big.location) - 0.25 * (camera - big.location)
    hidden = replace(big, size="small", location=tuple(behind))
    scene = replace(drawn(), objects=(big, hidden))
    seen = blender("visible", scene)
    assert seen[1] == 0
    assert seen[0] == blender("visible", replace(scene, objects=(big,)))[0]
    outside = replace(big, location=(30.0, 0.0, 0.7))
    assert blender("visible", replace(scene, objects=(outside,))) == [0]


def test_scene_that_lacks_something_is_an_error(blender):
    before = blender("read_back", one_object())["counts"]
    with pytest.raises(ValueError, match="without size"):
        blender("picture", one_object(size=None))
    with pytest.raises(ValueError, match="without camera"):
        blender("picture", Scene(objects=()))
    with pytest.raises(ValueError, match="no material 'wood'"):
        blender("picture", one_object(material="wood"))
    with pytest.raises(ValueError, match="no shape 'torus'"):
        blender("picture", one_object(shape="torus"))
    with pytest.raises(ValueError, match="no size 'huge'"):
        blender("picture", one_object(size="huge"))
    with pytest.raises(ValueError, match="sphere without color"):
        blender("picture", one_object(color=None))
    assert blender("read_back", one_object())["counts"] == before


def test_same_scene_in_two_processes_within_two_of_255(blender):
    import ray

    for index in range(3):
        blender("picture", drawn(index))
    other = ray.remote(num_cpus=0)(Probe).remote(FAST, "test", SHAPES)
    a = blender("picture", drawn(5)).astype(int)
    b = ray.get(other.picture.remote(drawn(5))).astype(int)
    ray.kill(other)
    assert np.abs(a - b).max() <= 2
    assert np.abs(a - blender("picture", drawn(6)).astype(int)).max() > 50


def test_worker_may_use_every_core_after_blender_started(blender):
    assert blender("cores") == os.sched_getaffinity(0)
