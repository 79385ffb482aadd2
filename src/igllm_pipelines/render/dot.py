"""The 2D picture: a red dot on white, drawn as PIL's plain ellipse.

PIL's `ellipse` has no anti-aliasing: it fills whole pixels, and its edges are cut to
whole pixels too. At the authors' 336 px a place is thereby rounded to 1/336 of the
image; at our 112 px it would be rounded to 1/112. So the plain ellipse is drawn on a
raster eight times finer, and each pixel takes the mean of its 8x8 raster points: a
place is rounded to 1/896 and the dot has a smooth rim.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

RASTER = 8  # raster points along a pixel


def draw_dot(x: float, y: float, *, side_px: int, radius: float) -> NDArray[np.uint8]:
    """The picture ``(side_px, side_px, 3)`` of a dot; what leaves the image is cut off.

    Args:
        x: of the centre, in image sides from the left edge.
        y: of the centre, in image sides from the top edge.
        side_px: image size.
        radius: of the dot in image sides.
    """
    image = np.full((side_px, side_px, 3), 255, dtype=np.uint8)
    reach = math.ceil(radius * side_px) + 1
    left, top = (math.floor(v * side_px) - reach for v in (x, y))
    size = 2 * reach + 1
    covered = _coverage(x * side_px - left, y * side_px - top, radius * side_px, size)
    columns, rows = (
        slice(max(start, 0), max(min(start + size, side_px), 0))
        for start in (left, top)
    )
    patch = covered[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    # red keeps its full value everywhere
    image[rows, columns, 1:] = np.round(255 * (1 - patch))[..., None]
    return image


def _coverage(x: float, y: float, radius: float, size: int) -> NDArray[np.float64]:
    """Covered share of each pixel of a ``(size, size)`` patch; all in pixels."""
    raster = Image.new("1", (size * RASTER, size * RASTER))
    width = round(2 * radius * RASTER)
    box = [round(centre * RASTER - width / 2) for centre in (x, y)]
    box += [edge + width - 1 for edge in box]  # PIL's box includes its last points
    ImageDraw.Draw(raster).ellipse(box, fill=1)
    points = np.asarray(raster, dtype=np.float64)
    return points.reshape(size, RASTER, size, RASTER).mean(axis=(1, 3))
