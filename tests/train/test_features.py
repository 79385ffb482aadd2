"""Features of a tower: when they are cached, and what they are."""

import logging
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from igllm_pipelines.model.build import build_tower
from igllm_pipelines.train.features import is_cached, tower_features
from tests.model.small import CONV

NAMES = [f"{index}.png" for index in range(70)]  # more than one batch


class Noise:
    """A picture of noise for every name."""

    def batch(self, split, filenames):
        shape = (CONV.image_px, CONV.image_px, 3)
        seeds = [int(name.partition(".")[0]) for name in filenames]
        images = [np.random.default_rng(s).integers(0, 256, shape) for s in seeds]
        return np.stack(images).astype(np.uint8)


@pytest.fixture
def tower():
    return build_tower(CONV, seed=0)


def test_features_are_the_towers_tokens_in_half_precision(tower):
    made = np.concatenate(list(tower_features(tower, Noise(), "train", NAMES)))
    assert made.dtype == np.float16
    with torch.no_grad():
        tokens = tower.eval()(torch.from_numpy(Noise().batch("train", NAMES)))
    assert np.allclose(made, tokens.numpy(), rtol=1e-3, atol=1e-3)


def test_threads_are_set_for_the_tower_alone(tower):
    before = torch.get_num_threads()
    for _ in tower_features(tower, Noise(), "train", NAMES, num_threads=before + 1):
        assert torch.get_num_threads() == before


def test_too_large_features_are_named(tower):
    with torch.no_grad():
        tower.norm.bias.fill_(1e5)
    with pytest.raises(OverflowError, match=r"0.png.*features.budget_gb"):
        list(tower_features(tower, Noise(), "train", NAMES))


# 16 tokens of 16 numbers of 2 bytes: 512 bytes an image
@pytest.mark.parametrize(
    ("images", "budget_gb", "words"),
    [
        (1000, 512e-6, r"features of 1,000 images.*0.000512 GB, cached"),
        (1001, 512e-6, "more than features.budget_gb 0.000512: not cached"),
        (1, 0, "not cached, the tower runs in every batch"),
    ],
)
def test_the_budget_decides(tower, caplog, images, budget_gb, words):
    with caplog.at_level(logging.INFO):
        cached = is_cached(tower, images, budget_gb)
    assert cached == ("not cached" not in words)
    assert re.search(words, caplog.text)


def test_a_trained_towers_features_are_never_cached(caplog):
    tower = build_tower(replace(CONV, frozen=False), seed=0)
    with caplog.at_level(logging.INFO):
        assert not is_cached(tower, 1, 10)
    assert "the tower is trained with the model" in caplog.text
