"""Features of a frozen tower: whether they are kept on disk, and in batches."""

import logging
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
_BYTES = 2  # of a number in half precision

logger = logging.getLogger(__name__)


def is_cached(tower: Tower, num_images: int, budget_gb: float) -> bool:
    """Whether the features of so many images are kept; the log says why.

    They are where the tower is frozen and they fit into `budget_gb`, in 10^9 bytes.
    """
    size_gb = num_images * tower.num_tokens * tower.width * _BYTES / 1e9
    what = (
        f"features of {num_images:,} images, {tower.num_tokens} tokens of "
        f"{tower.width} in half precision: {size_gb:.3g} GB"
    )
    if not tower.settings["frozen"]:
        logger.info("no features are cached: the tower is trained with the model")
        return False
    if size_gb > budget_gb:
        logger.info(
            "%s, more than features.budget_gb %g: not cached, the tower runs in every "
            "batch",
            what,
            budget_gb,
        )
        return False
    logger.info("%s, cached (features.budget_gb is %g)", what, budget_gb)
    return True


def tower_features(
    tower: Tower,
    vision: VisionSource,
    split: str,
    filenames: Sequence[str],
    *,
    num_threads: int = 0,
) -> Iterator[NDArray[Any]]:
    """Features of a split as float16 ``(batch, tokens, width)``, in order.

    They are computed on the GPU where there is one, then in half precision too.

    Args:
        tower: images to tokens.
        vision: uint8 images.
        split: of the images.
        filenames: of the images.
        num_threads: torch threads, 0 for one a core.

    Raises:
        OverflowError: a feature is too large for half precision.
    """
    tower.eval()
    home = next(tower.parameters()).device
    device = torch.device("cuda") if torch.cuda.is_available() else home
    tower.to(device)
    starts = range(0, len(filenames), BATCH_SIZE)
    bar = tqdm(starts, desc=f"features {split}", unit="batch", dynamic_ncols=True)
    try:
        for start in bar:
            names = filenames[start : start + BATCH_SIZE]
            images = torch.from_numpy(vision.batch(split, names))
            with torch_threads(num_threads):
                features = _features(tower, images.to(device), names)
            yield features
    finally:
        tower.to(home)


def _features(
    tower: Tower, images: torch.Tensor, names: Sequence[str]
) -> NDArray[np.float16]:
    kind = images.device.type
    half = torch.autocast(kind, dtype=torch.float16, enabled=kind == "cuda")
    with torch.inference_mode(), half:
        tokens = tower(images).half().cpu().numpy()
    finite = np.isfinite(tokens).all(axis=(1, 2))
    if not finite.all():
        name = names[int(np.argmin(finite))]
        raise OverflowError(
            f"the tower's features of {name} are beyond half precision (65,504) or not "
            "finite; set features.budget_gb to 0, so that none are cached"
        )
    return tokens
