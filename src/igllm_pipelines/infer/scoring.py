"""How far a drawn picture is from the picture that a scene is looked for in.

Both are made small, blurred a little and more, and subtracted. The blur gives an
object that stands beside its place a slope to follow. What is wider than objects is
taken out of both: it is the light, whose lamps are known only roughly. A difference
counts less the larger it is, so that one object of a wrong color does not outweigh all
places.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]


class PictureScore:
    """Compares pictures of any size with one that is given.

    Args:
        picture: ``(height, width, 3)``.
        size_px: width and height at which pictures are compared.
        blurs_px: standard deviations of the Gaussian blurs; all count the same.
        light_px: the same of the widest blur, which is subtracted.
        saturation: difference, of channels in [0, 1], that counts at most.
    """

    def __init__(
        self,
        picture: Pixels,
        size_px: tuple[int, int],
        blurs_px: Sequence[float],
        light_px: float,
        saturation: float,
    ) -> None:
        self._size_px = size_px
        self._blurs_px, self._light_px = tuple(blurs_px), light_px
        self._saturation = saturation
        self._target = self._levels(picture)

    def residuals(self, drawn: Pixels) -> Array:
        """Differences ``(levels * height * width * 3,)``; the score is their square.

        Each is ``d / sqrt(1 + (d / saturation)^2)`` of a difference ``d``, divided by
        the root of their number.
        """
        difference = (self._levels(drawn) - self._target).ravel()
        robust = difference / np.sqrt(1 + np.square(difference / self._saturation))
        return robust / np.sqrt(difference.size)

    def heat(self, residuals: Array) -> Array:
        """Where residuals are large: their squares summed to ``(height, width)``."""
        squares = np.square(residuals).reshape(self._target.shape)
        heat: Array = squares.sum(axis=(0, 3))
        return heat

    def _levels(self, picture: Pixels) -> Array:
        """The pictures ``(levels, height, width, 3)``, blurred and without light."""
        small = Image.fromarray(picture).resize(self._size_px, Image.Resampling.BOX)
        channels = np.asarray(small, dtype=np.float64) / 255
        light = _blurred(channels, self._light_px)
        return np.stack([_blurred(channels, blur) - light for blur in self._blurs_px])


def _blurred(picture: Array, blur_px: float) -> Array:
    blurred: Array = gaussian_filter(picture, (blur_px, blur_px, 0), mode="nearest")
    return blurred
