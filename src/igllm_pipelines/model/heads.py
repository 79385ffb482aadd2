"""The projector: image tokens into the language model's space."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def sin_cos_positions(side: int, width: int) -> Float[Tensor, "tokens width"]:
    """Fixed 2D positions of a ``side x side`` grid, row after row.

    The first half of the channels encodes the column, the second the row, each as
    sines and cosines of ``position / 10000^(k / (width / 4))``.
    """
    frequencies = 10000 ** -(torch.arange(width // 4) / (width // 4))
    angles = torch.arange(side)[:, None] * frequencies
    axis = torch.cat([angles.sin(), angles.cos()], dim=1)
    columns = axis[None].expand(side, -1, -1)
    rows = axis[:, None].expand(-1, side, -1)
    return torch.cat([columns, rows], dim=-1).reshape(side * side, width)


class LinearProjector(nn.Module):
    """Image tokens into the language model's space.

    Args:
        in_dim, out_dim: widths of the tower and of the language model.
        num_tokens: of an image, a square number where `positions` is set.
        norm: a LayerNorm follows.
        positions: fixed sin-cos positions are added at the end.
        dropout: probability of zeroing an input channel in training.
    """

    positions: Tensor | None

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        num_tokens: int,
        *,
        norm: bool = False,
        positions: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(in_dim, out_dim)
        self.norm = nn.LayerNorm(out_dim) if norm else nn.Identity()
        grid = None
        if positions:
            grid = sin_cos_positions(math.isqrt(num_tokens), out_dim)
        self.register_buffer("positions", grid, persistent=False)

    def forward(
        self, tokens: Float[Tensor, "batch tokens in_dim"]
    ) -> Float[Tensor, "batch tokens out_dim"]:
        """Projected tokens."""
        projected: Tensor = self.norm(self.linear(self.dropout(tokens)))
        return projected if self.positions is None else projected + self.positions
