import numpy as np
import pytest
import torch

from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.infer.sampling import Sampler


def test_draws_have_the_likelihoods_of_the_softmax():
    logits = torch.tensor([0.0, 1.0, 2.0, -torch.inf])
    rows = 4000
    sampler = Sampler(2.0, [(7, row) for row in range(rows)])
    tokens = sampler.choose(logits.expand(rows, -1))
    shares = np.bincount(tokens.numpy(), minlength=4) / rows
    expected = np.exp([0, 0.5, 1]) / np.exp([0, 0.5, 1]).sum()
    np.testing.assert_allclose(shares, [*expected, 0], atol=0.03)


def test_masked_tokens_are_never_drawn():
    logits = torch.full((500, 6), -torch.inf)
    logits[:, 3] = 0
    assert set(Sampler(1.0, [(s,) for s in range(500)]).choose(logits).tolist()) == {3}


def test_rows_that_stay_keep_their_draws():
    logits = torch.zeros(3, 50)
    both, last = Sampler(1.0, [(1,), (2,), (3,)]), Sampler(1.0, [(3,)])
    both.select([2])
    found, expected = (
        [int(sampler.choose(logits[:1])) for _ in range(5)] for sampler in (both, last)
    )
    assert found == expected


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1.0}, {"temperature": float("nan")}, {"seed": -1}]
)
def test_configuration_of_draws_is_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        InferenceConfig(**wrong)
    with pytest.raises(ValueError, match="must be positive"):
        Sampler(0.0, [])
