"""What runs inside a render worker: draws a scene, tests it, renders it."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from igllm_pipelines.assets import AssetsConfig
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.preview import draw_previews
from igllm_pipelines.render.script import needs_glb, scene_script
from igllm_pipelines.scene.labels import scene_to_record
from igllm_pipelines.scene.scene import Scene, SceneObject

if TYPE_CHECKING:
    from igllm_pipelines.render.blender import BlenderRenderer

MAX_ATTEMPTS = 100


class SceneSource(Protocol):
    """What scenes are drawn from: the configuration of a domain."""

    generator: str
    picture: str
    num_scenes: Mapping[str, int]
    min_visible_pixels: float
    assets: AssetsConfig | None

    def draw(self, seed: int, split: str, index: int, attempt: int) -> Scene:
        """The scene of this index; another one for each attempt."""

    def filename(self, split: str, index: int) -> str:
        """Name of its image."""

    def nominal(self) -> Scene:
        """Camera, lights and backdrop of no scene in particular, without objects."""

    def finish(self, obj: SceneObject) -> SceneObject:
        """The object with what a picture needs and the programs do not say."""


@dataclass(frozen=True)
class RenderedScene:
    """A finished scene: its label as JSON and its image as PNG."""

    split: str
    index: int
    record: bytes
    png: bytes


def encode(
    scene: Scene, image: NDArray[np.uint8], split: str, index: int
) -> RenderedScene:
    """Packs a scene and its picture ``(height, width, 3)``."""
    record = json.dumps(scene_to_record(scene), allow_nan=False).encode()
    return RenderedScene(split, index, record, encode_png(image))


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """A picture ``(height, width, 3)`` as a file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


class BlenderWorker:
    """Owns the Blender of this process; Blender starts with the first scene.

    Args:
        config: samples and denoising.
        engine: name and version that the labels give.
        source: what scenes are drawn from, and which assets they show.
    """

    def __init__(
        self, config: RenderingConfig, engine: str, source: SceneSource
    ) -> None:
        from igllm_pipelines.render.blender import BlenderRenderer, silence_stdout

        silence_stdout()
        self._rendering = config
        self._engine = engine
        self._source = source
        self._start = lambda: BlenderRenderer(config, source.assets)
        self._renderer: BlenderRenderer | None = None

    def make(self, seed: int, split: str, index: int) -> RenderedScene:
        """Draws scenes until all objects of one are visible, and renders that.

        Raises:
            ValueError: no attempt showed all objects.
        """
        for attempt in range(MAX_ATTEMPTS):
            scene = self._source.draw(seed, split, index, attempt)
            seen = self._blender().visible_pixels(scene)
            if min(seen, default=0) >= self._source.min_visible_pixels:
                break
        else:
            raise ValueError(
                f"scene {index} of {split}: in none of {MAX_ATTEMPTS} attempts were "
                "all objects visible; lower min_visible or max_objects"
            )
        objects = (
            replace(obj, visible_pixels=pixels)
            for obj, pixels in zip(scene.objects, seen, strict=True)
        )
        scene = replace(scene, objects=tuple(objects), engine=self._engine)
        return encode(scene, self.picture(scene), split, index)

    def picture(self, scene: Scene) -> NDArray[np.uint8]:
        """The picture ``(height, width, 3)`` of any scene."""
        return self._blender().render(scene)

    def previews(self, scenes: Sequence[Scene]) -> list[NDArray[np.uint8]]:
        """Quick and noisy pictures, see `preview`."""
        return draw_previews(self._blender(), scenes)

    def export(self, scene: Scene, kinds: Sequence[str]) -> dict[str, bytes] | str:
        """Files of any scene: ``picture`` as PNG, and what `kinds` asks for.

        What is wrong with a scene that cannot be rendered is returned as text, so that
        others are made nevertheless.

        Args:
            scene: with everything that its picture shows.
            kinds: of ``blend``, ``glb`` and ``script``.
        """
        try:
            made = {"picture": encode_png(self.picture(scene))}
            if "script" in kinds:
                made["script"] = self._script(scene)
        except ValueError as error:
            return str(error)
        wanted = {*kinds} - {"script"}
        if "script" in kinds and needs_glb(scene, self._source.assets):
            wanted.add("glb")
        return {**made, **self._blender().save(sorted(wanted))}

    def _script(self, scene: Scene) -> bytes:
        return scene_script(scene, self._source.assets, self._rendering).encode()

    def _blender(self) -> "BlenderRenderer":
        # not in __init__: an error there would look like a crashed worker
        if self._renderer is None:
            self._renderer = self._start()
        return self._renderer
