"""Scene configurations by domain name."""

import json
from dataclasses import replace

import numpy as np
import pytest

from igllm_pipelines.assets import AssetsConfig
from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.clevr import RADIUS_M, ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig
from igllm_pipelines.domains.sources import CONFIGS, scene_config
from igllm_pipelines.render.assets import RADIUS_M as RENDERED_RADIUS_M
from igllm_pipelines.scene import scene_from_record, scene_to_record


def test_each_domain_has_its_configuration():
    assert set(CONFIGS) == set(DOMAINS)
    assert scene_config("clevr", {"max_objects": 4}) == ClevrConfig(max_objects=4)
    assert scene_config("2d", {}) == DotsConfig()


def test_default_splits_are_those_of_the_domain():
    for name, config in CONFIGS.items():
        assert tuple(config().num_scenes) == DOMAINS[name].splits


@pytest.mark.parametrize(
    ("domain", "parameters", "match"),
    [
        ("3d", {}, "unknown domain '3d'"),
        ("clevr", {"max_object": 4}, "max_object"),
        ("2d", {"cells": 0}, "cells"),
        ("2d", {"assets": {}}, "2d take no assets"),
        ("so3", {"assets": []}, "so3: assets must be a mapping"),
        ("6dof", {"assets": None}, "6dof: assets must be a mapping"),
        ("so3", {"assets": {"categories": "chair"}}, "must be a list of names"),
        ("6dof", {"assets": {"per_categories": 3}}, "6dof: .*per_categories"),
        ("shapenet", {"assets": {"held_out": 2}}, "assets.held_out"),
    ],
)
def test_bad_parameters_are_named(domain, parameters, match):
    with pytest.raises(ValueError, match=match):
        scene_config(domain, parameters)


def test_assets_are_read_over_those_of_the_domain():
    assets = scene_config("6dof", {"assets": {"per_category": 3}}).assets
    assert assets == AssetsConfig(None, ("airplane",), 3, 0.0)
    assert scene_config("clevr", {}).assets is None


DRAWN = [(name, split) for name, domain in DOMAINS.items() for split in domain.splits]


@pytest.mark.parametrize(("domain", "split"), DRAWN)
def test_every_scene_has_a_seed_of_its_own(domain, split):
    config = scene_config(domain, {})
    scene = config.draw(0, split, 3, 0)
    assert scene == config.draw(0, split, 3, 0)
    assert scene.image_filename == config.filename(split, 3)
    assert scene.generator == config.generator
    others = [(1, split, 3, 0), (0, split, 4, 0), (0, split, 3, 1)]
    for place in others:
        other = config.draw(*place)
        assert other.seed != scene.seed
        assert other.objects != scene.objects


@pytest.mark.parametrize("domain", DOMAINS)
def test_number_of_scenes_changes_no_scene(domain):
    config = scene_config(domain, {})
    fewer = replace(config, num_scenes=dict.fromkeys(config.num_scenes, 1))
    assert fewer.draw(7, "train", 5, 0) == config.draw(7, "train", 5, 0)


@pytest.mark.parametrize(("domain", "split"), DRAWN)
def test_labels_of_drawn_scenes_are_read_as_they_were(domain, split):
    scene = scene_config(domain, {}).draw(7, split, 0, 0)
    record = json.loads(json.dumps(scene_to_record(scene)))
    assert scene_from_record(record, "here") == scene


@pytest.mark.parametrize("domain", DOMAINS)
def test_finished_objects_lack_no_word(domain):
    """What is drawn stays as it is, but for looks that no program says."""
    config = scene_config(domain, {})
    (obj, *_) = config.draw(7, "train", 0, 0).objects
    assert config.finish(obj) == obj


def test_objects_are_rendered_as_large_as_they_are_placed():
    assert RENDERED_RADIUS_M == RADIUS_M


@pytest.mark.parametrize("domain", DOMAINS)
def test_nominal_studio_is_that_of_scenes_without_jitter(domain):
    config = scene_config(domain, {})
    still = {
        name: 0.0
        for name in ("camera_jitter_m", "lamp_jitter_m")
        if hasattr(config, name)
    }
    if domain == "shapenet":
        still |= {"pitch_deg": (30.0, 30.0), "radius_m": (11.0, 11.0)}
    drawn = replace(config, **still).draw(7, "train", 0, 0)
    nominal = config.nominal()
    assert nominal.objects == ()
    assert nominal.lights == drawn.lights
    assert (nominal.backdrop or "sweep") == (drawn.backdrop or "sweep")
    if domain == "2d":
        assert nominal.camera is None
        return
    assert np.allclose(
        nominal.camera.world_from_camera, drawn.camera.world_from_camera, atol=1e-12
    )
    assert nominal.camera.focal_px == drawn.camera.focal_px
