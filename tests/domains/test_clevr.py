"""CLEVR scenes: placement rules, CoGenT conditions, what is stored."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.domains.clevr import (
    CONDITIONS,
    DIRECTIONS,
    RADIUS_M,
    ClevrConfig,
)
from igllm_pipelines.domains.studio import CAMERA_LOCATION, LAMPS
from igllm_pipelines.scene.rotations import matrix_from_quat, yaw_from_quat

CONFIG = ClevrConfig()


@pytest.fixture(scope="module")
def scenes():
    return {
        split: [CONFIG.draw(7, split, index, 0) for index in range(150)]
        for split in ("train", "val_OOD")
    }


def objects_of(scenes):
    return [obj for scene in scenes for obj in scene.objects]


def test_counts_span_the_range(scenes):
    counts = {len(scene.objects) for scene in scenes["train"]}
    assert counts == {3, 4, 5, 6}


def test_objects_stand_on_the_floor_inside_the_square(scenes):
    for obj in objects_of(scenes["train"]):
        x, y, z = obj.location
        assert max(abs(x), abs(y)) <= 3
        assert z == RADIUS_M[obj.size]


def test_objects_keep_distance_and_margin(scenes):
    for scene in scenes["train"]:
        for a, b in itertools.combinations(scene.objects, 2):
            step = np.subtract(a.location, b.location)[:2]
            free = np.hypot(*step) - RADIUS_M[a.size] - RADIUS_M[b.size]
            assert free >= CONFIG.min_dist_m
            along = [abs(step @ np.asarray(d)) for d in DIRECTIONS.values()]
            assert min(along) >= CONFIG.margin_m


@pytest.mark.parametrize(("split", "condition"), [("train", "A"), ("val_OOD", "B")])
def test_colors_keep_the_condition(scenes, split, condition):
    seen = {(obj.shape, obj.color) for obj in objects_of(scenes[split])}
    allowed = {(s, c) for s, colors in CONDITIONS[condition].items() for c in colors}
    assert seen == allowed


def test_conditions_swap_cubes_and_cylinders():
    a, b = CONDITIONS["A"], CONDITIONS["B"]
    assert (a["cube"], a["cylinder"]) == (b["cylinder"], b["cube"])
    assert set(a["cube"]) == {"gray", "blue", "brown", "yellow"}
    assert not set(a["cube"]) & set(a["cylinder"])
    assert set(a["sphere"]) == set(CLEVR_WORDS["color"])


def test_words_are_about_uniform(scenes):
    objects = objects_of(scenes["train"])
    for name in ("size", "material", "shape"):
        words = CLEVR_WORDS[name]
        share = [np.mean([getattr(o, name) == w for o in objects]) for w in words]
        assert share == pytest.approx([1 / len(words)] * len(words), abs=0.08)


def test_yaw_covers_the_circle_and_is_upright(scenes):
    quats = np.asarray([obj.rotation for obj in objects_of(scenes["train"])])
    yaw = np.mod(yaw_from_quat(quats), 2 * math.pi)
    counts, _ = np.histogram(yaw, bins=4, range=(0, 2 * math.pi))
    assert counts.min() > 0.15 * len(yaw)
    assert np.allclose(matrix_from_quat(quats)[:, 2, 2], 1)


def test_camera_jitter_stays_in_range_and_looks_at_the_origin(scenes):
    places = []
    for scene in scenes["train"]:
        places.append(np.asarray(scene.camera.world_from_camera)[:3, 3])
        u, v, depth = scene.camera.project((0.0, 0.0, 0.0))
        assert (u, v) == pytest.approx((64, 64))
        assert depth == pytest.approx(np.linalg.norm(places[-1]))
    jitter = np.subtract(places, CAMERA_LOCATION)
    assert np.abs(jitter).max() <= 0.5
    assert np.abs(jitter).max() > 0.45


def test_lamps_are_jittered_and_point_at_the_origin(scenes):
    for scene in scenes["train"][:20]:
        assert [light.name for light in scene.lights] == [*LAMPS, "Sun"]
        for light in scene.lights[:3]:
            moved = np.subtract(light.location, LAMPS[light.name][0])
            assert 0 < np.abs(moved).max() <= 1
            forward = matrix_from_quat(light.rotation) @ (0, 0, -1)
            assert np.allclose(np.cross(forward, light.location), 0, atol=1e-9)
            assert forward @ np.asarray(light.location) < 0


def test_pixel_coords_are_the_projection(scenes):
    for scene in scenes["train"][:20]:
        for obj in scene.objects:
            assert obj.pixel_coords == pytest.approx(scene.camera.project(obj.location))


def test_same_seed_same_scene_other_seed_other_scene():
    scene = CONFIG.draw(0, "train", 3, 0)
    assert scene == CONFIG.draw(0, "train", 3, 0)
    assert scene.image_filename == "CLEVR_train_000003.png"
    others = [
        CONFIG.draw(1, "train", 3, 0),
        CONFIG.draw(0, "val_ID", 3, 0),
        CONFIG.draw(0, "train", 4, 0),
        CONFIG.draw(0, "train", 3, 1),
    ]
    seeds = {scene.seed, *(other.seed for other in others)}
    assert len(seeds) == 5
    assert all(other.objects != scene.objects for other in others)


def test_number_of_scenes_changes_no_scene():
    fewer = replace(CONFIG, num_scenes={"train": 1, "val_ID": 1, "val_OOD": 1})
    assert fewer.draw(7, "train", 5, 0) == CONFIG.draw(7, "train", 5, 0)


def test_whole_and_decimal_numbers_are_one_configuration():
    assert repr(ClevrConfig(lens_mm=42)) == repr(ClevrConfig(lens_mm=42.0))


@pytest.mark.parametrize(
    "bad",
    [
        {"num_scenes": {"train": 1}},
        {"conditions": {"train": "A", "val_ID": "A", "val_OOD": "C"}},
        {"num_scenes": {"train": -1, "val_ID": 1, "val_OOD": 1}},
        {"min_objects": 7},
        {"max_objects": 11},
        {"min_visible": 0.2},
        {"camera_jitter_m": -0.1},
        {"margin_m": math.nan},
        {"lens_mm": 0},
        {"max_tries": 0},
    ],
)
def test_config_out_of_range(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        ClevrConfig(**bad)


def test_too_crowded_floor_is_an_error():
    crowded = ClevrConfig(min_objects=6, min_dist_m=4.0, max_tries=2)
    with pytest.raises(ValueError, match="do not fit"):
        crowded.draw(0, "train", 0, 0)
