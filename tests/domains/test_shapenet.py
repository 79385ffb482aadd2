"""ShapeNet scenes: placement, looks, cameras, and what each split holds out."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from igllm_pipelines.assets import AssetsConfig, load_catalog
from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.domains.poses import box_corners, in_image
from igllm_pipelines.domains.shapenet import ShapeNetConfig
from igllm_pipelines.domains.textures import FAMILIES, family_of
from igllm_pipelines.scene import SceneObject
from igllm_pipelines.scene.rotations import (
    canonical_turn,
    geodesic_angle_rad,
    matrix_from_quat,
)

CONFIG = ShapeNetConfig()
CATALOG = load_catalog(CONFIG.assets)
SPLITS = tuple(CONFIG.num_scenes)


def drawn(config, split, count=100):
    return [config.draw(7, split, index, 0) for index in range(count)]


@pytest.fixture(scope="module")
def scenes():
    return {split: drawn(CONFIG, split) for split in SPLITS}


def objects_of(scenes):
    return [obj for scene in scenes for obj in scene.objects]


def pitch_and_radius(scene):
    x, y, z = np.asarray(scene.camera.world_from_camera)[:3, 3]
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.hypot(x, y, z)


def lowest(obj):
    return box_corners(obj.location, obj.rotation, obj.extents)[:, 2].min()


def is_upright(obj):
    return matrix_from_quat(obj.rotation)[2, 2] > 1 - 1e-9


@pytest.mark.parametrize("split", SPLITS)
def test_scenes_keep_the_rules_of_placement(scenes, split):
    for scene in scenes[split]:
        for obj in scene.objects:
            corners = box_corners(obj.location, obj.rotation, obj.extents)
            assert corners[:, 2].min() >= -1e-9
            assert in_image(scene.camera, corners)
            assert np.abs(obj.location[:2]).max() <= CONFIG.ground_half_m
            assert np.linalg.norm(obj.extents) == pytest.approx(CONFIG.diagonal_m)
            assert obj.pixel_coords == pytest.approx(scene.camera.project(obj.location))
        for a, b in itertools.combinations(scene.objects, 2):
            assert math.dist(a.location, b.location) >= CONFIG.diagonal_m


def test_counts_span_the_range(scenes):
    assert {len(scene.objects) for scene in scenes["train"]} == {1, 2, 3, 4, 5}


def test_resting_objects_are_upright_on_the_ground():
    for obj in objects_of(drawn(replace(CONFIG, placement="resting"), "train")):
        assert is_upright(obj)
        assert lowest(obj) == pytest.approx(0, abs=1e-9)


def test_floating_objects_hang_over_the_ground_at_any_angle():
    objects = objects_of(drawn(replace(CONFIG, placement="floating"), "train"))
    heights = [lowest(obj) for obj in objects]
    assert 0 <= min(heights) < 0.1
    assert 0.9 < max(heights) <= CONFIG.float_m + 1e-9
    assert not any(is_upright(obj) for obj in objects)


def test_mixed_objects_do_either(scenes):
    share = np.mean([is_upright(obj) for obj in objects_of(scenes["train"])])
    assert share == pytest.approx(0.5, abs=0.1)


def test_rotations_are_the_canonical_ones(scenes):
    symmetric = 0
    for obj in objects_of(scenes["train"]):
        symmetry = CATALOG[obj.shape].symmetry
        symmetric += symmetry != 1
        canonical = canonical_turn(obj.rotation, symmetry)
        assert geodesic_angle_rad(obj.rotation, canonical) < 1e-6
    assert symmetric


@pytest.mark.parametrize("split", SPLITS)
def test_instances_of_each_split(scenes, split):
    held_out = split == "val_OOD_shape"
    allowed = CATALOG.held_out() if held_out else CATALOG.training()
    found = {obj.shape for obj in objects_of(scenes[split])}
    assert found <= {asset.id for asset in allowed}
    assert {shape.partition("_")[0] for shape in found} == {"sofa", "chair", "table"}


@pytest.mark.parametrize("split", SPLITS)
def test_looks_of_each_split(scenes, split):
    objects = objects_of(scenes[split])
    if split in ("val_OOD_texture", "val_OOD_shape"):
        assert {obj.color for obj in objects} == {None}
        families = {family_of(obj.texture) for obj in objects}
        assert families == set(CONFIG.held_out_textures)
    else:
        assert {obj.color for obj in objects} == set(CLEVR_WORDS["color"])
        plain = [obj for obj in objects if obj.texture is None]
        families = {family_of(obj.texture) for obj in objects if obj.texture}
        assert families == set(CONFIG.textures)
        assert len(plain) / len(objects) == pytest.approx(CONFIG.plain, abs=0.1)


@pytest.mark.parametrize("split", SPLITS)
def test_cameras_of_each_split(scenes, split):
    places = np.asarray([pitch_and_radius(scene) for scene in scenes[split]])
    held_out = split == "val_OOD_camera"
    pitch = CONFIG.held_out_pitch_deg if held_out else CONFIG.pitch_deg
    radius = CONFIG.held_out_radius_m if held_out else CONFIG.radius_m
    for values, (low, high) in zip(places.T, (pitch, radius), strict=True):
        assert low <= values.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < values.max() <= high
    for scene in scenes[split]:
        assert scene.camera.project((0, 0, 0))[:2] == pytest.approx((64, 64))


def test_azimuth_is_fixed(scenes):
    places = [s.camera.world_from_camera for s in objects_or_scenes(scenes)]
    azimuths = {round(math.degrees(math.atan2(m[1][3], m[0][3])), 6) for m in places}
    assert azimuths == {CONFIG.azimuth_deg}


def objects_or_scenes(scenes):
    return [scene for rows in scenes.values() for scene in rows]


def test_own_materials_have_neither_color_nor_texture():
    own = replace(CONFIG, appearance="own")
    for split in ("train", "val_OOD_camera"):
        objects = objects_of(drawn(own, split, 10))
        assert {(obj.color, obj.texture) for obj in objects} == {(None, None)}
    assert all(obj.texture for obj in objects_of(drawn(own, "val_OOD_texture", 10)))


def test_finish_knows_the_extents_of_a_shape(scenes):
    drawn_object = scenes["train"][0].objects[0]
    bare = replace(drawn_object, extents=None, texture=None)
    assert CONFIG.finish(bare).extents == drawn_object.extents
    unknown = CONFIG.finish(SceneObject(shape="lamp_0001"))
    assert unknown.shape == CATALOG.training()[0].id


def test_too_crowded_ground_is_an_error():
    crowded = ShapeNetConfig(min_objects=5, min_dist_m=5.0, max_tries=2)
    with pytest.raises(ValueError, match="do not fit"):
        crowded.draw(0, "train", 0, 0)


@pytest.mark.parametrize(
    "bad",
    [
        {"num_scenes": {"val_OOD": 1}},
        {"min_objects": 6},
        {"max_objects": 11},
        {"placement": "flying"},
        {"appearance": "nice"},
        {"float_m": -1},
        {"ground_half_m": math.inf},
        {"min_dist_m": math.nan},
        {"max_tries": 0},
        {"plain": 1.5},
        {"textures": ["wool"]},
        {"textures": []},
        {"held_out_textures": ["wood"]},
        {"pitch_deg": [40, 20]},
        {"pitch_deg": [20, 90]},
        {"radius_m": [0, 10]},
        {"radius_m": [10]},
        {"held_out_pitch_deg": [40, 50]},
        {"held_out_radius_m": [5, 20]},
    ],
)
def test_config_out_of_range(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        ShapeNetConfig(**bad)


def test_held_out_shapes_need_held_out_assets():
    with pytest.raises(ValueError, match=r"val_OOD_shape needs assets\.held_out"):
        ShapeNetConfig(assets=AssetsConfig(held_out=0.0))


def test_every_family_is_in_training_or_held_out():
    assert {*CONFIG.textures, *CONFIG.held_out_textures} == {*FAMILIES}
