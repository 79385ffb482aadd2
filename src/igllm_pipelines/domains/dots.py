"""2D scenes: one red dot on a white image, at a place in [0, 1] x [0, 1].

Training places lie in some cells of a grid only, so that the cells left out show
whether a model interpolates. ``train`` and ``val_ID`` are uniform over the training
cells, ``random`` is uniform over the image. A dot always lies wholly in the image.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from igllm_pipelines.domains.drawn import Drawn
from igllm_pipelines.domains.fields import check_splits
from igllm_pipelines.scene.scene import Scene, SceneObject

GENERATOR = "dots-1"
EVERYWHERE = "random"  # the split that knows no cells


@dataclass(frozen=True)
class DotsConfig(Drawn):
    """Which dots to draw.

    Attributes:
        num_scenes: of each split.
        width_px: side of the square image.
        radius: of the dot, in image sides.
        cells: the grid has this many cells a side.
        layout: ``checkerboard`` trains on every second cell; ``checkerboard_sparse``
            on one in four, so that whole bands of x and of y are left out.
    """

    num_scenes: Mapping[str, int] = field(
        default_factory=lambda: {"train": 20000, "val_ID": 400, EVERYWHERE: 1000}
    )
    width_px: int = 112
    radius: float = 5 / 336
    cells: int = 4
    layout: str = "checkerboard"

    # no fields: they name the code, not the choice of scenes
    generator = GENERATOR
    prefix = "dot"
    picture = "dot"
    assets = None
    min_visible_pixels = 0.0

    def __post_init__(self) -> None:
        check_splits("2d", self.num_scenes)
        if self.width_px < 1:
            raise ValueError(f"width_px must be positive, it is {self.width_px}")
        if self.layout not in ("checkerboard", "checkerboard_sparse"):
            raise ValueError(
                "layout must be checkerboard or checkerboard_sparse, "
                f"it is {self.layout!r}"
            )
        if self.cells < 2:
            raise ValueError(f"cells must be at least 2, it is {self.cells}")
        if not 0 < self.radius < 1 / self.cells:
            raise ValueError("radius must be positive and smaller than a cell")

    def sample(self, split: str, seed: tuple[int, ...]) -> Scene:
        """Draws one dot.

        Raises:
            ValueError: no place was found, the radius leaves too little room.
        """
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        for _ in range(10_000):
            x, y = rng.uniform(self.radius, 1 - self.radius, 2).tolist()
            if split == EVERYWHERE or in_training_cells(self, (x, y)):
                dot = dot_at(x, y, self.width_px, self.radius)
                return Scene(objects=(dot,), seed=seed, generator=GENERATOR)
        raise ValueError(f"no place for a dot of radius {self.radius}: make it smaller")

    def nominal(self) -> Scene:
        """An image without a dot: it has neither camera nor lights."""
        return Scene(())

    def finish(self, obj: SceneObject) -> SceneObject:
        """A predicted dot as it is: its position says all."""
        return obj


def in_training_cells(config: DotsConfig, positions: ArrayLike) -> NDArray[np.bool_]:
    """Whether each position ``(..., 2)``, in image sides, lies in a training cell.

    A position outside the image lies in none.

    >>> in_training_cells(DotsConfig(), [[0.1, 0.1], [0.3, 0.1], [1.1, 0.1]])
    array([ True, False, False])
    """
    xy = np.asarray(positions, dtype=np.float64)
    inside = np.all((xy >= 0) & (xy <= 1), axis=-1)
    cell = np.clip(np.floor(xy * config.cells), 0, config.cells - 1)
    if config.layout == "checkerboard_sparse":
        return inside & np.all(cell % 2 == 0, axis=-1)
    return inside & (cell.sum(axis=-1) % 2 == 0)


def dot_at(x: float, y: float, side_px: int, radius: float) -> SceneObject:
    """A dot whose position and radius are in image sides of `side_px` pixels."""
    visible = round(math.pi * (radius * side_px) ** 2)
    return SceneObject(
        location=(x, y, 0.0),
        pixel_coords=(x * side_px, y * side_px, 0.0),
        visible_pixels=max(visible, 1),
    )
