"""What the configurations of drawn scenes share: seeds, image names, the lens."""

from abc import ABC, abstractmethod
from dataclasses import replace

from numpy.typing import ArrayLike

from igllm_pipelines.domains.seeds import scene_seed
from igllm_pipelines.scene.scene import Camera, Scene


def image_name(prefix: str, split: str, index: int) -> str:
    """Name of an image.

    >>> image_name("SO3", "val_ID", 12)
    'SO3_val_ID_000012.png'
    """
    return f"{prefix}_{split}_{index:06d}.png"


class Drawn(ABC):
    """A source that draws each scene from a seed of its own.

    Its subclasses are frozen dataclasses: their fields decide what the scenes look
    like. Names without an annotation are no fields; they name the code.

    Attributes:
        prefix: of the names of the images.
    """

    prefix = ""

    @abstractmethod
    def sample(self, split: str, seed: tuple[int, ...]) -> Scene:
        """Draws one scene, without an image name.

        Args:
            split: what is held out of it, and what is not.
            seed: entropy, see `seeds.scene_seed`.

        Raises:
            ValueError: the configuration leaves no room for such a scene.
        """

    def draw(self, seed: int, split: str, index: int, attempt: int) -> Scene:
        """The scene of this index with its own seed and image name.

        Whether its objects are visible is for a renderer to say, which asks for the
        next attempt where they are not.
        """
        scene = self.sample(split, scene_seed(seed, split, index, attempt))
        return replace(scene, image_filename=self.filename(split, index))

    @abstractmethod
    def nominal(self) -> Scene:
        """Camera, lights and backdrop of no scene in particular, without objects."""

    def filename(self, split: str, index: int) -> str:
        """Name of the image."""
        return image_name(self.prefix, split, index)


class Photographed(Drawn):
    """A source whose scenes Blender renders."""

    picture = "blender"

    # fields of the subclasses
    width_px: int
    height_px: int
    lens_mm: float
    sensor_width_mm: float
    min_visible: float

    @property
    def min_visible_pixels(self) -> float:
        """Pixels that the least visible object must have."""
        return self.min_visible * self.width_px * self.height_px

    def camera_at(self, location: ArrayLike, target: ArrayLike) -> Camera:
        """The camera at `location` that looks at `target`, both in world metres."""
        return Camera.look_at(
            location,
            target,
            lens_mm=self.lens_mm,
            sensor_width_mm=self.sensor_width_mm,
            width_px=self.width_px,
            height_px=self.height_px,
        )
