"""Predicted scenes moved until they look like their pictures, see `infer.refine`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageOps

from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.infer.judge import Draw
from igllm_pipelines.infer.moves import FREEDOMS
from igllm_pipelines.infer.pictures import Pixels
from igllm_pipelines.infer.refine import Refined, refine
from igllm_pipelines.model.preprocess import PAD_COLOR
from igllm_pipelines.scene import Scene

NUM_DRAWN = 4  # programs that are drawn besides the likeliest one


@dataclass(frozen=True)
class Refinement:
    """A search around predicted scenes.

    Attributes:
        domain: its name, which says what may be changed.
        seconds: for each picture.
        seed: of the search.
        draw: draws small pictures of scenes.
        side_px: of the pictures of scenes without a camera, which are square.
        pads: the model sees the whole picture on a square; else its middle.
    """

    domain: str
    seconds: float
    seed: int
    draw: Draw
    side_px: int
    pads: bool

    def refined(
        self, scene: Scene, picture: Pixels, candidates: Sequence[Scene]
    ) -> Refined:
        """The scene that looks most like the picture, see `infer.refine.refine`.

        Args:
            scene: the model's first guess, under the nominal camera.
            picture: ``(height, width, 3)`` of any size.
            candidates: other guesses.

        Raises:
            ValueError: the scene cannot be drawn.
            RenderError: Blender fails.
        """
        camera = scene.camera
        size = (
            (camera.width_px, camera.height_px)
            if camera
            else (self.side_px, self.side_px)
        )
        return refine(
            scene,
            framed(picture, size, pads=self.pads),
            self.draw,
            FREEDOMS[self.domain],
            seconds=self.seconds,
            seed=self.seed,
            candidates=candidates,
        )


def drawn_programs(inference: InferenceConfig) -> list[InferenceConfig]:
    """How `NUM_DRAWN` other programs are drawn from a model."""
    return [
        replace(inference, temperature=1.0, num_beams=1, seed=inference.seed + number)
        for number in range(1, NUM_DRAWN + 1)
    ]


def framed(picture: Pixels, size: tuple[int, int], *, pads: bool) -> Pixels:
    """The picture as the scene's camera would have taken it.

    Args:
        picture: ``(height, width, 3)`` of any size.
        size: width and height of the result.
        pads: the whole picture, with borders; else its middle.
    """
    image = Image.fromarray(picture)
    if pads:
        return np.asarray(ImageOps.pad(image, size, color=PAD_COLOR))
    return np.asarray(ImageOps.fit(image, size))
