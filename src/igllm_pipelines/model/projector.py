"""The projector: image tokens into the language model's space."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

# what LLaVA's files call the projector's weights
_LLAVA = "mm_projector."


class ProjectorWeightsError(ValueError):
    """A file of projector weights that cannot be used; names the file."""


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


def projection(kind: str, in_dim: int, out_dim: int) -> nn.Module:
    """``linear``, or ``mlp2x_gelu`` = Linear, GELU, Linear.

    Raises:
        ValueError: `kind` is unknown.
    """
    if kind == "linear":
        return nn.Linear(in_dim, out_dim)
    if kind == "mlp2x_gelu":
        return nn.Sequential(
            nn.Linear(in_dim, out_dim), nn.GELU(), nn.Linear(out_dim, out_dim)
        )
    raise ValueError(f"unknown projector {kind!r}")


class Projector(nn.Module):
    """Image tokens into the language model's space.

    Args:
        in_dim, out_dim: widths of the tower and of the language model.
        num_tokens: of an image, a square number where `positions` is set.
        kind: see `projection`.
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
        kind: str = "linear",
        norm: bool = False,
        positions: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = projection(kind, in_dim, out_dim)
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

    def load(self, path: Path) -> None:
        """Starts from weights that were trained elsewhere; the norm keeps its own.

        Args:
            path: LLaVA's ``mm_projector.bin``, or the same weights as safetensors.

        Raises:
            ProjectorWeightsError: the file is missing or broken, or its weights are
                not those of this projector; the message says both shapes.
        """
        tensors = _read(path)
        own = self.linear.state_dict()
        if tensors.keys() != own.keys():
            raise ProjectorWeightsError(
                f"{path}: it holds {_shapes(tensors)}, this projector has "
                f"{_shapes(own)}; set model.projector to the kind that was trained"
            )
        for name, tensor in tensors.items():
            if tensor.shape != own[name].shape:
                raise ProjectorWeightsError(
                    f"{path}: {name} has the shape {tuple(tensor.shape)}, this "
                    f"projector needs {tuple(own[name].shape)}; it was trained between "
                    "another image tower and language model"
                )
        self.linear.load_state_dict({n: t.float() for n, t in tensors.items()})


def _shapes(tensors: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name} {tuple(t.shape)}" for name, t in tensors.items())


def _read(path: Path) -> dict[str, Tensor]:
    """The projector's tensors in a file, without what LLaVA puts before their names."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found = load_file(path)
        else:
            found = dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        raise ProjectorWeightsError(
            f"{path}: there is no such file; download it, or set "
            "model.projector_weights to null to start from random weights"
        ) from error
    except Exception as error:  # unpickling and safetensors raise many kinds
        raise ProjectorWeightsError(f"{path}: it cannot be read ({error})") from error
    tensors = {k: v for k, v in found.items() if isinstance(v, Tensor)}
    if not tensors or len(tensors) != len(found):
        raise ProjectorWeightsError(f"{path}: it holds other things than tensors")
    return {name.rpartition(_LLAVA)[2]: tensor for name, tensor in tensors.items()}
