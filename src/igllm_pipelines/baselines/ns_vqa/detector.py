"""Mask R-CNN (He et al. 2017) that proposes objects, of one kind, with their masks."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops import boxes as box_ops
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from igllm_pipelines.baselines.ns_vqa.backbones import build_resnet
from igllm_pipelines.baselines.ns_vqa.config import NsvqaConfig

# side of the anchors of each level, as a share of the picture
_ANCHORS = (0.08, 0.16, 0.32, 0.64, 1.0)
_BOX_PX, _MASK_PX = 7, 14


class Segments(NamedTuple):
    """Objects in one picture.

    ``boxes``: ``(num_objects, 4)``, x0 y0 x1 y1 in pixels.
    ``masks``: ``(num_objects, height, width)``.
    ``scores``: ``(num_objects,)``, how sure the detector is.
    """

    boxes: Float[Tensor, "objects 4"]
    masks: Bool[Tensor, "objects height width"]
    scores: Float[Tensor, " objects"]


def build_detector(config: NsvqaConfig) -> MaskRCNN:
    """Mask R-CNN over a feature pyramid, narrower than the usual one by configuration.

    Raises:
        ValueError: the file of weights does not fit.
    """
    channels = config.detector_channels
    levels = ("0", "1", "2", "3")
    return MaskRCNN(
        _pyramid(config),
        min_size=config.detector_px,
        max_size=4 * config.detector_px,
        rpn_anchor_generator=AnchorGenerator(
            tuple((round(share * config.detector_px),) for share in _ANCHORS),
            ((0.5, 1.0, 2.0),) * len(_ANCHORS),
        ),
        rpn_pre_nms_top_n_train=400,
        rpn_pre_nms_top_n_test=200,
        rpn_post_nms_top_n_train=200,
        rpn_post_nms_top_n_test=50,
        rpn_batch_size_per_image=128,
        box_roi_pool=MultiScaleRoIAlign(list(levels), _BOX_PX, 2),
        box_head=TwoMLPHead(channels * _BOX_PX**2, 4 * channels),
        box_predictor=FastRCNNPredictor(4 * channels, num_classes=2),
        box_batch_size_per_image=64,
        box_detections_per_img=20,
        box_score_thresh=config.min_score,
        mask_roi_pool=MultiScaleRoIAlign(list(levels), _MASK_PX, 2),
        mask_head=MaskRCNNHeads(channels, (channels, channels), dilation=1),
        mask_predictor=MaskRCNNPredictor(channels, channels, num_classes=2),
    )


def _pyramid(config: NsvqaConfig) -> nn.Module:
    body = build_resnet(config.detector_backbone, config.detector_weights)
    widths = [body.inplanes // 2**step for step in (3, 2, 1, 0)]
    return BackboneWithFPN(
        body,
        {f"layer{i + 1}": str(i) for i in range(4)},
        widths,
        config.detector_channels,
        LastLevelMaxPool(),
    )


def detection_loss(
    detector: MaskRCNN, pictures: Float[Tensor, "b 3 h w"], truth: Sequence[Segments]
) -> Tensor:
    """The sum of Mask R-CNN's five losses.

    It draws anchors and proposals from torch's global generator.
    """
    targets = [
        {
            "boxes": one.boxes,
            "labels": torch.ones(
                len(one.boxes), dtype=torch.int64, device=one[0].device
            ),
            "masks": one.masks.to(torch.uint8),
        }
        for one in truth
    ]
    losses: OrderedDict[str, Tensor] = detector(list(pictures), targets)
    return torch.stack(list(losses.values())).sum()


@torch.no_grad()
def detect(detector: MaskRCNN, pictures: Float[Tensor, "b 3 h w"]) -> list[Segments]:
    """The objects of each picture; those whose mask has no pixel are left out."""
    found = []
    for result in detector(list(pictures)):
        masks = result["masks"][:, 0] >= 0.5
        kept = masks.flatten(1).any(dim=1) & (box_ops.box_area(result["boxes"]) > 0)
        found.append(
            Segments(result["boxes"][kept], masks[kept], result["scores"][kept])
        )
    return found
