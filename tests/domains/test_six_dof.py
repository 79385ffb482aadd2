"""6-DoF scenes: where the object may be, and what varies."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.domains.poses import box_corners, in_image
from igllm_pipelines.domains.six_dof import SixDofConfig
from igllm_pipelines.scene import SceneObject

CONFIG = SixDofConfig()


@pytest.fixture(scope="module")
def scenes():
    return [CONFIG.draw(7, "train", index, 0) for index in range(500)]


def test_object_lies_wholly_in_the_image_over_the_ground_in_the_box(scenes):
    for scene in scenes:
        (obj,) = scene.objects
        corners = box_corners(obj.location, obj.rotation, obj.extents)
        assert in_image(scene.camera, corners)
        assert corners[:, 2].min() > 0
        assert np.all(np.less_equal(CONFIG.box_min_m, obj.location))
        assert np.all(np.less_equal(obj.location, CONFIG.box_max_m))


def test_positions_fill_the_box(scenes):
    places = np.asarray([scene.objects[0].location for scene in scenes])
    span = np.subtract(CONFIG.box_max_m, CONFIG.box_min_m)
    assert np.all(np.ptp(places, axis=0) > 0.95 * span)


def test_orientations_span_all_angles(scenes):
    quats = [scene.objects[0].rotation for scene in scenes]
    angles = Rotation.from_quat(quats, scalar_first=True).magnitude()
    assert angles.mean() == pytest.approx(math.pi / 2 + 2 / math.pi, abs=0.1)


def test_words_and_shapes_are_about_uniform(scenes):
    objects = [scene.objects[0] for scene in scenes]
    shapes = tuple(f"airplane_{i:04d}" for i in range(10))
    for name, words in {**CLEVR_WORDS, "shape": shapes}.items():
        if name == "size":
            assert {obj.size for obj in objects} == {None}
            continue
        share = [np.mean([getattr(o, name) == w for o in objects]) for w in words]
        assert share == pytest.approx([1 / len(words)] * len(words), abs=0.06)


def test_camera_is_fixed_and_all_is_stored(scenes):
    first = scenes[0]
    assert {scene.camera for scene in scenes} == {first.camera}
    assert len({scene.lights for scene in scenes}) == len(scenes)
    for scene in scenes:
        (obj,) = scene.objects
        assert scene.backdrop == "floor"
        assert np.linalg.norm(obj.extents) == pytest.approx(CONFIG.diagonal_m)
        assert obj.pixel_coords == pytest.approx(scene.camera.project(obj.location))


def test_finish_fills_plain_words_and_extents(scenes):
    (drawn,) = scenes[0].objects
    pose = {"location": drawn.location, "rotation": drawn.rotation}
    finished = CONFIG.finish(SceneObject(**pose, shape=drawn.shape))
    assert finished.extents == drawn.extents
    assert (finished.color, finished.material) == ("gray", "rubber")
    assert CONFIG.finish(SceneObject(**pose, color="red")).color == "red"
    assert CONFIG.finish(SceneObject(**pose, shape="teapot")).shape == "airplane_0000"


def test_object_that_never_fits_is_an_error():
    with pytest.raises(ValueError, match="wholly in the image"):
        SixDofConfig(lens_mm=500).draw(0, "train", 0, 0)


@pytest.mark.parametrize(
    "bad",
    [
        {"num_scenes": {"val_OOD": 1}},
        {"box_min_m": [2, 0, 2]},
        {"box_min_m": [0, 0]},
        {"box_min_m": [-1, -1, 0.5]},
        {"box_max_m": [1, 1, math.nan]},
        {"diagonal_m": -1},
    ],
)
def test_config_out_of_range(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        SixDofConfig(**bad)
