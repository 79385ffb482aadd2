"""How like their inputs the gallery's pictures are, as numbers.

Only what the report renders is measured: the gallery's samples, which are best, median
and worst cases. So these are no means of a split, and have no interval.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from igllm_pipelines.metrics.matching import match_scenes
from igllm_pipelines.metrics.pictures import mask_ious, psnr, ssim
from igllm_pipelines.metrics.table import IntArray
from igllm_pipelines.report.page import SampleImages, Section
from igllm_pipelines.report.results import Image, Pictures
from igllm_pipelines.report.samples import Sample
from igllm_pipelines.scene import Scene

FILE = "tables/pictures.json"
"""Where a report's folder holds them."""
_SMALLEST_PX = 11  # of the sides, SSIM's window


def picture_scores(
    sections: Sequence[Section], scenes: Mapping[str, Mapping[str, Scene]]
) -> Pictures:
    """Means over the gallery: ``{encoding: {split: {metric: {value, samples}}}}``.

    ``gallery_psnr`` in decibels, ``gallery_ssim`` and ``gallery_iou`` (percent; where
    masks are known, see `object_numbers`).

    Args:
        sections: the gallery, a section a split.
        scenes: the true ones by split and image.
    """
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for section in sections:
        for sample, images in section.samples:
            target = scenes[sample.split][sample.image]
            for encoding, metric, value in _scores(sample, images, target):
                found[encoding, sample.split, metric].append(value)
    scores: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for (encoding, split, metric), values in found.items():
        measured = {"value": float(np.mean(values)), "samples": len(values)}
        scores.setdefault(encoding, {}).setdefault(split, {})[metric] = measured
    return scores


def read_scores(report: Path) -> Pictures:
    """What `picture_scores` said when a report's folder was made."""
    scores: Pictures = json.loads((report / FILE).read_text(encoding="utf-8"))
    return scores


def _scores(
    sample: Sample, images: SampleImages, target: Scene
) -> Iterator[tuple[str, str, float]]:
    """Encoding, metric and value of each answer that was drawn."""
    for answer in sample.answers:
        picture = images.reconstructions.get(answer.encoding)
        scene = answer.rebuilt.scene
        if picture is None or scene is None or picture.shape != images.image.shape:
            continue
        yield answer.encoding, "gallery_psnr", finite_psnr(picture, images.image)
        if min(picture.shape[:2]) >= _SMALLEST_PX:
            yield answer.encoding, "gallery_ssim", ssim(picture, images.image)
        iou = _mean_iou((scene, picture), (target, images.image))
        if iou is not None:
            yield answer.encoding, "gallery_iou", 100 * iou


def finite_psnr(preds: Image, target: Image) -> float:
    """The PSNR; equal pictures have that of one channel of one pixel that is 1 off.

    >>> white = np.full((1, 1, 3), 255, np.uint8)
    >>> finite_psnr(white, white) == psnr(white - np.uint8([1, 0, 0]), white)
    True
    """
    return min(psnr(preds, target), float(10 * np.log10(255.0**2 * target.size)))


def object_numbers(scene: Scene, picture: Image) -> IntArray | None:
    """Which object each pixel ``(height, width)`` shows, numbered from 1, else 0.

    Known of CLEVR's shapes, by rays from the camera, and of a single dot.
    """
    from igllm_pipelines.baselines.ns_vqa.masks import object_masks

    if scene.camera is None:
        dark = picture.min(axis=2) < 128
        return dark.astype(np.int64) if len(scene.objects) == 1 else None
    try:
        masks = object_masks(scene)
    except ValueError:  # assets
        return None
    numbers = np.arange(1, len(masks) + 1)
    return np.tensordot(numbers, masks.astype(np.int64), axes=1).astype(np.int64)


def _mean_iou(drawn: tuple[Scene, Image], target: tuple[Scene, Image]) -> float | None:
    """Mean over the true objects in sight; of one that is missed it is 0."""
    preds, true = object_numbers(*drawn), object_numbers(*target)
    if preds is None or true is None or preds.shape != true.shape:
        return None
    in_sight = np.unique(true[true > 0])
    matches = match_scenes([drawn[0]], [target[0]])
    pairs = np.stack([matches.pred, matches.target], axis=1) + 1
    pairs = pairs[np.isin(pairs[:, 1], in_sight)]
    if not len(in_sight):
        return None
    return float(mask_ious(preds, true, pairs).sum() / len(in_sight))
