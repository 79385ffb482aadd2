"""How alike two pictures are: the input and the re-rendered reconstruction.

Pictures are ``(height, width, 3)`` or ``(height, width)``, 8 bits a channel.
"""

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.metrics.table import FloatArray, IntArray

Picture = NDArray[np.uint8]
BACKGROUND = 0
_RANGE = 255.0


def psnr(preds: Picture, target: Picture) -> float:
    """Peak signal-to-noise ratio in decibels; infinite where they are equal.

    ``10 log10(255^2 / MSE)`` over all pixels and channels.

    Raises:
        ValueError: the pictures have different sizes.

    >>> round(psnr(np.full((8, 8), 10, np.uint8), np.zeros((8, 8), np.uint8)), 2)
    28.13
    """
    _check(preds, target)
    mse = float(np.mean(np.square(preds.astype(np.float64) - target)))
    return float(10 * np.log10(_RANGE**2 / mse)) if mse else np.inf


def ssim(preds: Picture, target: Picture) -> float:
    """Structural similarity, at most 1 (Wang et al. 2004), mean over the channels.

    With the paper's Gaussian window of standard deviation 1.5, by scikit-image.

    Raises:
        ValueError: the pictures have different sizes, or a side below 11 pixels.
    """
    from skimage.metrics import structural_similarity

    _check(preds, target)
    return float(
        structural_similarity(
            preds,
            target,
            data_range=_RANGE,
            channel_axis=-1 if preds.ndim == 3 else None,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def _check(preds: Picture, target: Picture) -> None:
    if preds.shape != target.shape:
        raise ValueError(f"pictures of {preds.shape} and {target.shape} do not compare")


def mask_ious(preds: IntArray, target: IntArray, pairs: IntArray) -> FloatArray:
    """Intersection over union of the pixels of matched objects.

    Args:
        preds: ``(height, width)``, which object each pixel of the reconstruction
            shows: its number from 1, `BACKGROUND` where none.
        target: the same of the input.
        pairs: matched objects ``(pairs, 2)``, predicted and true, numbered from 1.

    Returns:
        ``(pairs,)`` in [0, 1]; NaN where both objects are hidden.

    Raises:
        ValueError: the masks have different sizes.

    >>> ones, half = np.ones((2, 2), int), np.array([[1, 1], [0, 0]])
    >>> mask_ious(half, ones, np.array([[1, 1]]))
    array([0.5])
    """
    if preds.shape != target.shape:
        raise ValueError(f"masks of {preds.shape} and {target.shape} do not compare")
    highest = pairs.max(initial=0)
    rows = max(int(preds.max(initial=0)), int(highest)) + 1
    columns = max(int(target.max(initial=0)), int(highest)) + 1
    # how many pixels show object i here and object j there, for all i and j at once
    shared = np.bincount(
        (preds * columns + target).reshape(-1), minlength=rows * columns
    ).reshape(rows, columns)
    both = shared[pairs[:, 0], pairs[:, 1]].astype(np.float64)
    either = shared.sum(axis=1)[pairs[:, 0]] + shared.sum(axis=0)[pairs[:, 1]] - both
    with np.errstate(invalid="ignore"):
        return both / either
