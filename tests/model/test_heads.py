import numpy as np
import torch

from igllm_pipelines.model.heads import (
    LinearProjector,
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
