"""Image towers: uint8 images in, a square grid of tokens out."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
PIXEL_STATISTICS = {
    "white_to_zero": ((1.0,) * 3, (1 / 6,) * 3),
    "centered": ((0.5,) * 3, (0.25,) * 3),
    "clip": (CLIP_MEAN, CLIP_STD),
}


class Tower(nn.Module):
    """What images go through first: ``num_tokens`` tokens of ``width`` an image.

    ``by_columns`` says whether they go column by column over the image or row by row.
    ``settings`` is what it was built from, JSON; it is stored with the weights.
    """

    num_tokens: int
    width: int
    by_columns: bool = False
    settings: dict[str, Any]


class Pixels(nn.Module):
    """Images as the tower wants them: ``(value / 255 - mean) / std``."""

    mean: Tensor
    std: Tensor

    def __init__(self, kind: str, image_px: int) -> None:
        super().__init__()
        mean, std = PIXEL_STATISTICS[kind]
        self.image_px = image_px
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def forward(
        self, images: UInt8[Tensor, "batch rows columns 3"]
    ) -> Float[Tensor, "batch 3 rows columns"]:
        """Turns images into normalised planes.

        Raises:
            ValueError: the images are not of the size that the tower was built for.
        """
        if images.shape[1:3] != (self.image_px, self.image_px):
            height, width = images.shape[1:3]
            raise ValueError(
                f"the tower takes images of {self.image_px} x {self.image_px} pixels, "
                f"these have {height} x {width}; set tower.image_px to the data's "
                "size, or tower.fit to pad or square"
            )
        values = (images.float() / 255 - self.mean) / self.std
        return values.permute(0, 3, 1, 2)


class OpenClipTower(Tower):
    """Patch tokens of one block of an open_clip vision transformer.

    Args:
        pixels: prepares the images.
        transformer: open_clip's ``VisionTransformer``; what lies behind the block that
            is read is removed from it.
        layer: which block, counted from the end (-1).
        final_norm: the transformer's final norm is applied to the tokens.
    """

    def __init__(
        self, pixels: Pixels, transformer: Any, layer: int, final_norm: bool
    ) -> None:
        super().__init__()
        self.pixels = pixels
        self.transformer: Any = transformer
        self.final_norm = final_norm
        self.width = int(transformer.conv1.out_channels)
        self.num_tokens = int(transformer.grid_size[0] * transformer.grid_size[1])
        block = len(transformer.transformer.resblocks) + layer
        transformer.prune_intermediate_layers([block], prune_norm=not final_norm)
        self._block = block

    def forward(
        self, images: UInt8[Tensor, "batch rows columns 3"]
    ) -> Float[Tensor, "batch tokens width"]:
        """Tokens from left to right, then from top to bottom; no class token."""
        found = self.transformer.forward_intermediates(
            self.pixels(images),
            indices=[self._block],
            normalize_intermediates=self.final_norm,
            intermediates_only=True,
            output_fmt="NLC",
        )
        tokens: Tensor = found["image_intermediates"][0]
        return tokens


class ResidualBlock(nn.Module):
    """``x + conv(gelu(norm(conv(gelu(norm(x))))))`` with 3x3 convolutions."""

    def __init__(self, channels: int, groups: int = 8) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(
        self, x: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Maps of the same shape."""
        y = self.conv1(functional.gelu(self.norm1(x)))
        y = self.conv2(functional.gelu(self.norm2(y)))
        return x + y


class ConvTower(Tower):
    """A residual network whose last map is read as tokens.

    Args:
        pixels: prepares the images.
        channels: of the 5x5 stem, then of each stage; each halves the map.
    """

    by_columns = True

    def __init__(self, pixels: Pixels, channels: Sequence[int]) -> None:
        super().__init__()
        self.pixels = pixels
        self.stem = nn.Conv2d(3, channels[0], 5, stride=2, padding=2)
        stages: list[nn.Module] = []
        for before, after in zip(channels[:-1], channels[1:], strict=True):
            stages.append(nn.Conv2d(before, after, 3, stride=2, padding=1))
            stages.append(ResidualBlock(after))
        self.stages = nn.Sequential(*stages)
        self.norm = nn.GroupNorm(8, channels[-1])
        self.width = channels[-1]
        self.num_tokens = (pixels.image_px // 2 ** len(channels)) ** 2

    def forward(
        self, images: UInt8[Tensor, "batch rows columns 3"]
    ) -> Float[Tensor, "batch tokens width"]:
        """Tokens from top to bottom, then from left to right.

        Programs list objects from left to right. Read column by column, a token has
        attended to all that stands to the left of it.
        """
        maps = self.pixels(images).contiguous(memory_format=torch.channels_last)
        maps = self.norm(self.stages(functional.gelu(self.stem(maps))))
        return functional.gelu(maps).transpose(2, 3).flatten(2).transpose(1, 2)
