"""CLEVR scenes whose pictures are painted from their masks, and a parser of seconds."""

import zlib
from dataclasses import replace

import numpy as np

from igllm_pipelines.baselines.ns_vqa.config import NsvqaConfig
from igllm_pipelines.baselines.ns_vqa.masks import object_masks
from igllm_pipelines.domains import CLEVR_WORDS, DOMAINS
from igllm_pipelines.domains.clevr import ClevrConfig

SYNTAX = DOMAINS["clevr"].syntax
SCENES = ClevrConfig(width_px=64, height_px=64)
CONFIG = NsvqaConfig(
    detector_backbone="resnet10",
    describer_backbone="resnet10",
    detector_px=64,
    detector_channels=8,
    describer_px=32,
    detector_steps=2,
    describer_steps=2,
    detector_batch=2,
    describer_batch=2,
    warm_up_steps=1,
    num_threads=1,
)
_PAINT = dict(
    zip(
        CLEVR_WORDS["color"],
        [
            *((90, 90, 90), (200, 20, 20), (20, 20, 200), (20, 160, 20)),
            *((120, 70, 20), (140, 20, 160), (20, 170, 170), (220, 220, 20)),
        ],
        strict=True,
    )
)


class Painted:
    """What nodes read of raw data, without rendering."""

    def __init__(self, count=4):
        self._count = count

    def splits(self):
        return list(DOMAINS["clevr"].splits)

    def scenes(self, split):
        number = zlib.crc32(split.encode())
        return [
            replace(
                SCENES.sample(split, (number, i)), image_filename=f"{split}_{i}.png"
            )
            for i in range(self._count)
        ]

    def batch(self, split, filenames):
        by_name = {scene.image_filename: scene for scene in self.scenes(split)}
        return np.stack([paint(by_name[name]) for name in filenames])


def paint(scene):
    picture = np.full((scene.camera.height_px, scene.camera.width_px, 3), 200, np.uint8)
    for mask, obj in zip(object_masks(scene), scene.objects, strict=True):
        picture[mask] = _PAINT[obj.color]
    return picture
