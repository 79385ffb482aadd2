"""SO(3) scenes: the held-out region, and that nothing else varies."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from igllm_pipelines.assets import AssetError, AssetsConfig
from igllm_pipelines.domains.poses import box_corners, forward_angle_deg, in_image
from igllm_pipelines.domains.so3 import So3Config
from igllm_pipelines.scene import SceneObject

CONFIG = So3Config()


@pytest.fixture(scope="module")
def scenes():
    return {
        split: [CONFIG.draw(7, split, index, 0) for index in range(300)]
        for split in CONFIG.num_scenes
    }


def angles(scenes, axis=CONFIG.held_out_axis):
    return forward_angle_deg([s.objects[0].rotation for s in scenes], axis)


def test_held_out_region_is_kept(scenes):
    assert angles(scenes["train"]).min() > 40 - 1e-9
    assert angles(scenes["val_ID"]).min() > 40 - 1e-9
    assert angles(scenes["val_OOD"]).max() < 40 + 1e-9


def test_region_is_configurable():
    config = So3Config(held_out_axis=[0, 0, -3], held_out_half_angle_deg=100)
    for split, low, high in (("train", 100, 180), ("val_OOD", 0, 100)):
        found = angles([config.draw(1, split, i, 0) for i in range(50)], (0, 0, -1))
        assert low - 1e-9 < found.min()
        assert found.max() < high + 1e-9


def test_orientations_fill_their_regions(scenes):
    cosines = np.cos(np.radians(angles(scenes["train"])))
    edges = np.linspace(-1, math.cos(math.radians(40)), 5)
    assert np.histogram(cosines, edges)[0].min() > 0.15 * 300


def test_only_the_orientation_varies(scenes):
    first, *others = scenes["train"]
    (airplane,) = first.objects
    assert airplane.location == (0, 0, 0)
    assert airplane.shape == "airplane_0000"
    assert np.linalg.norm(airplane.extents) == pytest.approx(2.0)
    assert first.backdrop == "white"
    assert airplane.pixel_coords[:2] == pytest.approx((48, 48))
    for other in others:
        assert (other.camera, other.lights) == (first.camera, first.lights)
        (obj,) = other.objects
        assert (obj.extents, obj.color) == (airplane.extents, airplane.color)
        assert obj.rotation != airplane.rotation


def test_airplane_lies_wholly_in_the_image(scenes):
    for scene in (*scenes["train"], *scenes["val_OOD"]):
        (obj,) = scene.objects
        corners = box_corners(obj.location, obj.rotation, obj.extents)
        assert in_image(scene.camera, corners)


def test_share_of_the_held_out_region():
    uniform = Rotation.random(50_000, random_state=np.random.default_rng(3))
    quats = uniform.as_quat(scalar_first=True)
    found = np.mean(forward_angle_deg(quats, CONFIG.held_out_axis) < 40)
    assert found == pytest.approx(CONFIG.held_out_share, abs=0.005)


def test_finish_says_what_programs_do_not():
    quat = (0.5, 0.5, -0.5, 0.5)
    finished = CONFIG.finish(SceneObject(rotation=quat))
    drawn = CONFIG.draw(7, "train", 0, 0).objects[0]
    assert finished.rotation == quat
    for name in ("location", "shape", "extents", "color", "material", "pixel_coords"):
        assert getattr(finished, name) == getattr(drawn, name)


def test_unknown_airplane_is_named():
    with pytest.raises(AssetError, match="airplane_9999"):
        So3Config(asset="airplane_9999").draw(7, "train", 0, 0)


def test_lists_and_whole_numbers_are_one_configuration():
    one = So3Config(held_out_axis=[1, 0, 0], diagonal_m=2)
    assert repr(one) == repr(So3Config())


@pytest.mark.parametrize(
    "bad",
    [
        {"num_scenes": {"test": 1}},
        {"num_scenes": {"train": -1}},
        {"held_out_axis": [0, 0, 0]},
        {"held_out_axis": [1, 0]},
        {"held_out_half_angle_deg": 180},
        {"held_out_half_angle_deg": math.nan},
        {"camera_location": [1, 2, math.inf]},
        {"color": "pink"},
        {"material": "wood"},
        {"diagonal_m": 0},
        {"lens_mm": -1},
        {"width_px": 0},
        {"backdrop": "sea"},
        {"min_visible": 1.0},
        {"lamp_jitter_m": math.inf},
    ],
)
def test_config_out_of_range(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        So3Config(**bad)


def test_assets_are_part_of_the_configuration():
    few = So3Config(assets=AssetsConfig(categories=("airplane",), per_category=2))
    assert few.draw(7, "train", 0, 0) == CONFIG.draw(7, "train", 0, 0)
