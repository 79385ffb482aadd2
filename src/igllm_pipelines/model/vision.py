"""What images and cached features look like to models."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.model.preprocess import Image, fit_image


@runtime_checkable
class VisionSource(Protocol):
    """Where images or cached features come from."""

    def batch(self, split: str, filenames: Sequence[str]) -> NDArray[Any]:
        """Images ``(batch, height, width, 3)`` or features ``(batch, tokens, dim)``."""
        ...


@runtime_checkable
class ImageSource(VisionSource, Protocol):
    """Where images come from, each of its own size."""

    def image(self, split: str, filename: str) -> Image:
        """One image."""
        ...


@runtime_checkable
class CachedFeatures(VisionSource, Protocol):
    """Features that may have been cached, or not."""

    def splits(self) -> Sequence[str]:
        """Names of the cached splits; none without a cache."""
        ...


class FittedImages:
    """Images made square; safe to pickle where `images` is.

    Args:
        images: of any size.
        fit: see `preprocess.fit_image`.
        side: of the fitted images, in pixels.
    """

    def __init__(self, images: ImageSource, fit: str, side: int) -> None:
        self._images = images
        self._fit = fit
        self._side = side

    def batch(self, split: str, filenames: Sequence[str]) -> NDArray[np.uint8]:
        """Images ``(batch, side, side, 3)`` in the order of `filenames`."""
        batch = np.empty((len(filenames), self._side, self._side, 3), dtype=np.uint8)
        for place, filename in enumerate(filenames):
            image = self._images.image(split, filename)
            batch[place] = fit_image(image, self._fit, self._side)
        return batch


def fitted(images: ImageSource, settings: Mapping[str, Any]) -> VisionSource:
    """The images as a tower takes them.

    Args:
        images: of any size.
        settings: the tower's, `Tower.settings`.
    """
    fit = settings.get("fit", "exact")
    if fit == "exact":
        return images
    return FittedImages(images, fit, settings["image_px"])


def vision_source(
    images: ImageSource, features: CachedFeatures, settings: Mapping[str, Any]
) -> VisionSource:
    """What a model is fed with: cached features, or the images where there are none.

    Args:
        images: of any size.
        features: of the frozen tower. They mean nothing to a tower that is trained.
        settings: the tower's, `Tower.settings`.
    """
    if settings["frozen"] and features.splits():
        return features
    return fitted(images, settings)
