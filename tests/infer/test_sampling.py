import numpy as np
import pytest
import torch
from transformers import TopKLogitsWarper, TopPLogitsWarper

from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.infer.sampling import Sampler, likeliest, nucleus


def rngs(count, seed=7):
    return [np.random.default_rng((seed, row)) for row in range(count)]


def random_logits(seed=0):
    logits = torch.randn(20, 50, generator=torch.Generator().manual_seed(seed)) * 3
    return logits.masked_fill(logits < -3, -torch.inf)


def test_draws_have_the_likelihoods_of_the_softmax():
    logits = torch.tensor([0.0, 1.0, 2.0, -torch.inf])
    rows = 4000
    tokens = Sampler(2.0).choose(logits.expand(rows, -1), rngs(rows))
    shares = np.bincount(tokens.numpy(), minlength=4) / rows
    expected = np.exp([0, 0.5, 1]) / np.exp([0, 0.5, 1]).sum()
    np.testing.assert_allclose(shares, [*expected, 0], atol=0.03)


def test_masked_tokens_are_never_drawn():
    logits = torch.full((500, 6), -torch.inf)
    logits[:, 3] = 0
    assert set(Sampler(1.0).choose(logits, rngs(500)).tolist()) == {3}
    narrow = Sampler(1.0, top_k=2, top_p=0.9)  # fewer are left than top_k
    assert set(narrow.choose(logits, rngs(500)).tolist()) == {3}


def test_a_row_draws_the_same_beside_others():
    logits, several, alone = torch.zeros(3, 50), rngs(3), rngs(3)[2:]
    for _ in range(5):
        tokens = Sampler(1.0).choose(logits, several)
        assert Sampler(1.0).choose(logits[:1], alone) == tokens[2]


@pytest.mark.parametrize("count", [1, 2, 7, 49])
def test_likeliest_are_those_of_transformers(count):
    logits = random_logits()
    expected = TopKLogitsWarper(count)(None, logits)
    assert torch.equal(likeliest(logits, count), expected)


@pytest.mark.parametrize("probability", [0.01, 0.3, 0.9, 0.999])
def test_nucleus_is_that_of_transformers(probability):
    logits = random_logits()
    expected = TopPLogitsWarper(probability)(None, logits)
    assert torch.equal(nucleus(logits, probability), expected)
    assert (nucleus(logits, probability) > -torch.inf).any(dim=1).all()


@pytest.mark.parametrize("sampler", [Sampler(3.0, top_k=1), Sampler(3.0, top_p=1e-9)])
def test_the_narrowest_sampler_takes_the_likeliest_token(sampler):
    logits = random_logits()
    assert torch.equal(sampler.choose(logits, rngs(20)), logits.argmax(dim=-1))


def test_draws_stay_within_the_likeliest():
    logits = random_logits()[:1].expand(300, -1)
    tokens = Sampler(5.0, top_k=4).choose(logits, rngs(300))
    assert set(tokens.tolist()) == set(logits[0].topk(4).indices.tolist())


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"seed": -1},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"num_beams": 0},
        {"num_beams": 2, "temperature": 1.0},
        {"length_penalty": float("inf")},
        {"precision": "int8"},
    ],
)
def test_configuration_of_choices_is_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        InferenceConfig(**wrong)
    with pytest.raises(ValueError, match="must be positive"):
        Sampler(0.0)
