"""Features of a frozen tower, in batches."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from igllm_pipelines.model.towers import Tower
from igllm_pipelines.model.vision import VisionSource
from igllm_pipelines.train.threads import torch_threads

BATCH_SIZE = 64


def tower_features(
    tower: Tower,
    vision: VisionSource,
    split: str,
    filenames: Sequence[str],
    *,
    num_threads: int = 0,
) -> Iterator[NDArray[Any]]:
    """Features of a split as float16 ``(batch, tokens, width)``, in order.

    Args:
        tower: images to tokens.
        vision: uint8 images.
        split: of the images.
        filenames: of the images.
        num_threads: torch threads, 0 for one a core.
    """
    tower.eval()
    starts = range(0, len(filenames), BATCH_SIZE)
    bar = tqdm(starts, desc=f"features {split}", unit="batch", dynamic_ncols=True)
    for start in bar:
        names = filenames[start : start + BATCH_SIZE]
        images = torch.from_numpy(vision.batch(split, names))
        with torch_threads(num_threads), torch.inference_mode():
            tokens = tower(images)
        yield tokens.numpy().astype(np.float16)
