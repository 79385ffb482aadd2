import numpy as np
import pytest
import torch

from igllm_pipelines.model.heads import (
    LinearProjector,
    numeric_head,
    sin_cos_positions,
)


def test_sin_cos_positions_equal_the_formula():
    grid = sin_cos_positions(3, 8).numpy()
    for row in range(3):
        for column in range(3):
            expected = []
            for place in (column, row):
                angles = place / 10000 ** (np.arange(2) / 2)
                expected += [*np.sin(angles), *np.cos(angles)]
            np.testing.assert_allclose(grid[row * 3 + column], expected, atol=1e-6)


def test_projector_adds_positions_after_the_norm():
    plain = LinearProjector(6, 8, 9, norm=True)
    placed = LinearProjector(6, 8, 9, norm=True, positions=True)
    placed.load_state_dict(plain.state_dict())  # positions are no weights
    tokens = torch.randn(2, 9, 6)
    difference = placed(tokens) - plain(tokens)
    torch.testing.assert_close(difference[1], sin_cos_positions(3, 8))


def test_projector_dropout_acts_in_training_only():
    projector = LinearProjector(6, 8, 9, dropout=0.5)
    tokens = torch.randn(2, 9, 6)
    assert not torch.equal(projector(tokens), projector(tokens))
    projector.eval()
    torch.testing.assert_close(projector(tokens), projector.linear(tokens))


def test_numeric_head_linear_and_none():
    assert numeric_head("none", 8) is None
    assert numeric_head("linear", 8)(torch.zeros(2, 8)).shape == (2, 1)


def test_numeric_head_of_the_paper_is_tanh_linear_gelu_linear():
    head = numeric_head("tanh_mlp_gelu", 8)
    x = torch.randn(5, 8)
    (w1, b1), (w2, b2) = ((m.weight, m.bias) for m in (head[1], head[3]))
    inner = torch.tanh(x) @ w1.T + b1
    gelu = inner * 0.5 * (1 + torch.erf(inner / 2**0.5))
    torch.testing.assert_close(head(x), gelu @ w2.T + b2)


def test_numeric_head_refuses_unknown_kind():
    with pytest.raises(ValueError, match="cubic"):
        numeric_head("cubic", 8)
