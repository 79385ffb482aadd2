"""Scenes whose images were made square: where their objects lie in the new image."""

from dataclasses import replace
from typing import Protocol

from igllm_pipelines.model.preprocess import fit_point
from igllm_pipelines.scene.scene import Scene, SceneObject


class ImageSizes(Protocol):
    """Whatever knows how large the images are."""

    def image_size(self, split: str, filename: str) -> tuple[int, int]:
        """Width and height of an image, in pixels."""
        ...


class FittedScenes:
    """Moves the pixel coordinates of scenes as `fit_image` moves their images' pixels.

    Args:
        sizes: of the images before.
        split: that they belong to.
        fit: see `model.preprocess.fit_image`.
        side: of the images after, in pixels.
    """

    def __init__(self, sizes: ImageSizes, split: str, fit: str, side: int) -> None:
        self._sizes = sizes
        self._split = split
        self._fit = fit
        self._side = side

    def __call__(self, scene: Scene) -> Scene:
        """The scene without the objects whose centres were cut off; depths stay."""
        size = self._sizes.image_size(self._split, scene.image_filename)
        moved = [self._moved(obj, size) for obj in scene.objects]
        return replace(scene, objects=tuple(obj for obj in moved if self._within(obj)))

    def _moved(self, obj: SceneObject, size: tuple[int, int]) -> SceneObject:
        if obj.pixel_coords is None:
            return obj
        u, v, depth = obj.pixel_coords
        u, v = fit_point(u, v, size, self._fit, self._side)
        return replace(obj, pixel_coords=(u, v, depth))

    def _within(self, obj: SceneObject) -> bool:
        if obj.pixel_coords is None:
            return True
        return all(0 <= value < self._side for value in obj.pixel_coords[:2])
