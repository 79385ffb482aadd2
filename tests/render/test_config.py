"""Rendering parameters."""

import os

import pytest

from igllm_pipelines.render.config import rendering_config


def test_default_takes_every_core():
    assert rendering_config({}).num_workers == len(os.sched_getaffinity(0))
    assert rendering_config({"workers": 3}).num_workers == 3


def test_ray_is_configured_beside_the_domains():
    config = rendering_config({"samples": 4}, {"address": "10.0.0.5:6379"})
    assert config.ray_address == "10.0.0.5:6379"
    assert rendering_config({}, {"address": None}).ray_address is None
    with pytest.raises(ValueError, match="ray_adress"):
        rendering_config({}, {"adress": None})
    with pytest.raises(ValueError, match="multiple values"):
        rendering_config({"ray_address": None}, {"address": None})


def test_something_else_than_a_mapping_is_named():
    with pytest.raises(ValueError, match="rendering: a mapping is wanted, not 3"):
        rendering_config(3)
    with pytest.raises(ValueError, match=r"ray: a mapping is wanted, not '10\."):
        rendering_config({}, "10.0.0.5:6379")


@pytest.mark.parametrize(
    "bad",
    [
        {"sample": 8},
        {"samples": 0},
        {"workers": 0},
        {"scenes_per_shard": 0},
        {"scenes_per_worker": 0},
        {"scene_timeout_s": 0},
        {"samples": "many"},
        {"workers": "all"},
        {"workers": 1.5},
        {"scene_timeout_s": "long"},
    ],
)
def test_bad_parameters_are_named(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        rendering_config(bad)
