"""Draws candidates of a search and compares them with the picture."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.infer.scoring import PictureScore
from igllm_pipelines.scene.scene import Scene

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Draw = Callable[[Sequence[Scene]], Sequence[Pixels]]


class Judge:
    """Draws scenes small and compares them with a picture, while there is time.

    Args:
        draw: draws scenes as large as their cameras say.
        score: compares a drawing with the picture.
        size_px: width and height that the cameras get.
        has_time: whether there is any left.
        limit: of the pictures drawn, None for none.

    Attributes:
        evaluations: pictures drawn so far.
        heat: where residuals are large, see `PictureScore.heat`.
    """

    def __init__(
        self,
        draw: Draw,
        score: PictureScore,
        size_px: tuple[int, int],
        has_time: Callable[[], bool],
        limit: int | None,
    ) -> None:
        self._draw, self._score, self._size_px = draw, score, size_px
        self._has_time, self._limit = has_time, limit
        self.evaluations = 0
        self.heat = score.heat

    @property
    def open(self) -> bool:
        """Whether other scenes may be drawn."""
        left = self._limit is None or self.evaluations < self._limit
        return left and self._has_time()

    def residuals(self, scenes: Sequence[Scene]) -> Array:
        """Those of the first scenes, ``(scenes, values)``, of all if there is room."""
        room = None if self._limit is None else self._limit - self.evaluations
        drawn = self._draw([self._small(scene) for scene in scenes[:room]])
        self.evaluations += len(drawn)
        return np.stack([self._score.residuals(picture) for picture in drawn])

    def _small(self, scene: Scene) -> Scene:
        if scene.camera is None:
            return scene
        width, height = self._size_px
        camera = replace(scene.camera, width_px=width, height_px=height)
        return replace(scene, camera=camera)


def small_size(picture: Pixels, side_px: int) -> tuple[int, int]:
    """Width and height of the picture's aspect, the longer one `side_px`."""
    height, width, _ = picture.shape
    longer = max(height, width)
    return (
        max(1, round(side_px * width / longer)),
        max(1, round(side_px * height / longer)),
    )


def check_aspect(scene: Scene, picture: Pixels) -> None:
    """Checks that the scene's camera takes pictures of this aspect, to 2 %.

    Raises:
        ValueError: it does not.
    """
    camera = scene.camera
    if camera is None:
        return
    height, width, _ = picture.shape
    if abs(camera.width_px * height / (camera.height_px * width) - 1) > 0.02:
        raise ValueError(
            f"the camera takes pictures of {camera.width_px} x {camera.height_px} "
            f"pixels, the one to fit has {width} x {height}: another aspect"
        )
