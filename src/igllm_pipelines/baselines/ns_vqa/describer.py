"""The network that says size, color, material, shape and place of each object.

As in NS-VQA it sees an object's segment, nothing of the picture left around it, and the
whole picture. Two things differ: the segment is enlarged to the network's input, so its
box is told beside it, and words are classified instead of regressed.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import roi_align

from igllm_pipelines.baselines.ns_vqa.backbones import build_resnet, widen_input
from igllm_pipelines.baselines.ns_vqa.config import NsvqaConfig
from igllm_pipelines.baselines.ns_vqa.detector import Segments

_MARGIN = 1.15  # the crop's side, as a multiple of the box's longer side
_HIDDEN = 256
# how inexact segments are in training: shift of a box's side by its length, and pixels
_SHIFT, _GROWN_PX = 0.03, 2


class Described(NamedTuple):
    """What is said of objects.

    ``words``: logits ``(objects, words)`` of each attribute, in the vocabulary's order.
    ``location``: ``(objects, 3)``, world metres.
    """

    words: tuple[Tensor, ...]
    location: Float[Tensor, "objects 3"]


class Describer(nn.Module):
    """A residual network over segments and pictures, and a head that knows the boxes.

    Args:
        config: which network, and the side of its input.
        vocabulary: the words of each attribute.

    Raises:
        ValueError: the file of weights does not fit.
    """

    def __init__(
        self, config: NsvqaConfig, vocabulary: Mapping[str, Sequence[str]]
    ) -> None:
        super().__init__()
        network = build_resnet(config.describer_backbone, config.describer_weights)
        widen_input(network, 2)
        width = network.fc.in_features
        network.fc = nn.Identity()
        self.network = network
        self.sizes = [*map(len, vocabulary.values()), 3]
        self.head = nn.Sequential(
            nn.Linear(width + 4, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, sum(self.sizes)),
        )
        self.side_px = config.describer_px

    def forward(
        self, pictures: Float[Tensor, "b 3 h w"], segments: Sequence[Segments]
    ) -> Described:
        """Describes all objects of all pictures, picture by picture.

        Args:
            pictures: values in [0, 1].
            segments: of each picture.
        """
        seen = [
            self._view(picture, one)
            for picture, one in zip(pictures, segments, strict=True)
        ]
        size = pictures.new_tensor([pictures.shape[-1], pictures.shape[-2]] * 2)
        boxes = torch.cat([one.boxes for one in segments]) / size
        features = self.network(4 * (torch.cat(seen) - 0.5))
        outputs = self.head(torch.cat([features, 4 * (boxes - 0.5)], dim=1))
        *words, location = outputs.split(self.sizes, dim=1)
        return Described(tuple(words), location)

    def _view(self, picture: Float[Tensor, "3 h w"], one: Segments) -> Tensor:
        """Segments and picture ``(objects, 6, side, side)``."""
        side, count = self.side_px, len(one.boxes)
        if not count:
            return picture.new_zeros((0, 6, side, side))
        crops = _square(one.boxes)
        own = torch.arange(count, device=picture.device)[:, None]
        masks = roi_align(
            one.masks[:, None].to(picture.dtype),
            torch.cat([own.to(picture.dtype), crops], dim=1),
            side,
            aligned=True,
        )
        segments = roi_align(picture[None], [crops], side, aligned=True)
        whole = functional.interpolate(
            picture[None], size=(side, side), mode="bilinear", antialias=True
        )
        # grey around the segment, as the mean of what the network sees
        segments = torch.where(masks >= 0.5, segments, 0.5)
        return torch.cat([segments, whole.expand(count, -1, -1, -1)], dim=1)


def _square(boxes: Float[Tensor, "objects 4"]) -> Tensor:
    """Square boxes around boxes, with a margin."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = _MARGIN * (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True) / 2
    return torch.cat([middle - half, middle + half], dim=1)


def disturbed(true: Segments) -> Segments:
    """True segments as inexact as a detector's: boxes moved, masks grown.

    It draws from torch's global generator.
    """
    if not len(true.boxes):
        return true
    sides = (true.boxes[:, 2:] - true.boxes[:, :2]).repeat(1, 2)
    boxes = true.boxes + _SHIFT * sides * torch.randn_like(true.boxes)
    grown_px = int(torch.randint(0, _GROWN_PX + 1, ()))
    masks = functional.max_pool2d(
        true.masks[:, None].float(), 2 * grown_px + 1, stride=1, padding=grown_px
    )
    return Segments(boxes, masks[:, 0] > 0, true.scores)


def description_loss(
    described: Described,
    words: Int[Tensor, "objects attributes"],
    location: Float[Tensor, "objects 3"],
    location_weight: float,
) -> Tensor:
    """Cross-entropy of each attribute and the weighted squared error of x, y, z."""
    loss = location_weight * functional.mse_loss(described.location, location)
    for column, logits in enumerate(described.words):
        loss = loss + functional.cross_entropy(logits, words[:, column])
    return loss
