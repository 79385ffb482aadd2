"""Images of any size made square, pixel for pixel as CLIP's image processor does it."""

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.model.towers import CLIP_MEAN

Image = NDArray[np.uint8]  # (rows, columns, 3)
Square = NDArray[np.uint8]  # (side, side, 3)

# the processor of LLaVA rounds CLIP's mean color down
PAD_COLOR = tuple(int(255 * mean) for mean in CLIP_MEAN)


def fit_image(image: Image, fit: str, side: int) -> Square:
    """A square image of ``side`` pixels; resized by Pillow's bicubic filter.

    Args:
        image: of any size.
        fit: ``pad``: centred on a square of CLIP's mean color, then resized.
            ``square``: the shorter side resized to `side`, then cut at its middle.
            ``exact``: as it is.
        side: in pixels.

    Raises:
        ValueError: `fit` is unknown, or ``exact`` and the image has another size.
    """
    height, width, _ = image.shape
    if (height, width) == (side, side):
        return image
    if fit == "pad":
        return _resized(padded_to_square(image), side, side)
    if fit == "square":
        columns, rows = _resized_size(width, height, side)
        left, top = (columns - side) // 2, (rows - side) // 2
        resized = _resized(image, columns, rows)
        return resized[top : top + side, left : left + side]
    raise ValueError(f"an image of {width} x {height} does not fit {fit} {side} pixels")


def padded_to_square(image: Image) -> Square:
    """The image at the middle of a square of `PAD_COLOR`, as large as its long side."""
    height, width, _ = image.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.empty((side, side, 3), dtype=np.uint8)
    square[:] = PAD_COLOR
    square[top : top + height, left : left + width] = image
    return square


def fit_point(
    u: float, v: float, size: tuple[int, int], fit: str, side: int
) -> tuple[float, float]:
    """Where a point of an image lies after `fit_image`, in pixels.

    Args:
        u: column.
        v: row.
        size: width and height of the image.
        fit: as of `fit_image`.
        side: of the fitted image.

    Returns:
        Column and row; outside ``[0, side)`` where ``square`` cuts the point off.
    """
    width, height = size
    if fit == "pad":
        long = max(size)
        left, top = (long - width) // 2, (long - height) // 2
        return (u + left) * side / long, (v + top) * side / long
    if fit == "square":
        columns, rows = _resized_size(width, height, side)
        left, top = (columns - side) // 2, (rows - side) // 2
        return u * columns / width - left, v * rows / height - top
    return u, v


def _resized_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Columns and rows when the shorter one becomes `side`; the other rounds down."""
    if width <= height:
        return side, int(side * height / width)
    return int(side * width / height), side


def _resized(image: Image, columns: int, rows: int) -> Image:
    from PIL import Image as pillow

    resized = pillow.fromarray(image).resize((columns, rows), pillow.Resampling.BICUBIC)
    return np.array(resized)  # asarray would be read-only
