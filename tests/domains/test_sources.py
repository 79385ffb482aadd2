"""Scene configurations by domain name."""

import pytest

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.clevr import RADIUS_M, ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig
from igllm_pipelines.domains.sources import CONFIGS, scene_config
from igllm_pipelines.render.assets import RADIUS_M as RENDERED_RADIUS_M


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
    ],
)
def test_bad_parameters_are_named(domain, parameters, match):
    with pytest.raises(ValueError, match=match):
        scene_config(domain, parameters)


def test_objects_are_rendered_as_large_as_they_are_placed():
    assert RENDERED_RADIUS_M == RADIUS_M
