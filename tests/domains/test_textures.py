"""Texture families: the domains' names are those that the renderer knows."""

import numpy as np

from igllm_pipelines.domains.textures import FAMILIES, family_of, sample_texture
from igllm_pipelines.render import textures


def test_renderer_knows_every_family():
    assert tuple(textures.FAMILIES) == FAMILIES
    assert len(FAMILIES) >= 7


def test_sampled_textures_are_of_the_families():
    rng = np.random.default_rng(0)
    found = [sample_texture(rng, ("wood", "magic")) for _ in range(100)]
    assert {family_of(texture) for texture in found} == {"wood", "magic"}
    assert len(set(found)) > 90
