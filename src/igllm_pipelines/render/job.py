"""Rendering jobs: all scenes of a domain, or some scenes that are given."""

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, is_dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from igllm_pipelines.assets import load_catalog
from igllm_pipelines.render.bpy_module import bpy_version
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.dot import draw_dot
from igllm_pipelines.render.measure import MeasuredWorker
from igllm_pipelines.render.pool import RenderPool, Task
from igllm_pipelines.render.worker import (
    BlenderWorker,
    RenderedScene,
    SceneSource,
    encode,
)
from igllm_pipelines.scene.scene import Scene

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Measurement:
    """Scenes rendered as a trial.

    Attributes:
        samples: the scenes.
        seconds: that each of them took its worker.
        workers: that rendered at the same time.
    """

    samples: tuple[RenderedScene, ...]
    seconds: tuple[float, ...]
    workers: int


@dataclass(frozen=True)
class RenderJob:
    """Every scene of a domain, to be rendered when `run` is called.

    Attributes:
        source: what the scenes are drawn from.
        rendering: how they are rendered.
        seed: of the whole data set, not negative.

    Raises:
        ValueError: the seed is none.
    """

    source: SceneSource
    rendering: RenderingConfig
    seed: int

    def __post_init__(self) -> None:
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(
                f"seed must be a whole number, not negative, it is {self.seed!r}"
            )

    @property
    def engine(self) -> str:
        """What makes the pictures, ``bpy 5.0.1``."""
        return engine_of(self.source)

    @property
    def num_scenes(self) -> Mapping[str, int]:
        """Number of scenes of each split."""
        return self.source.num_scenes

    def filename(self, split: str, index: int) -> str:
        """Image name of a scene."""
        return self.source.filename(split, index)

    @property
    def scenes_per_shard(self) -> int:
        """Images in one tar."""
        return self.rendering.scenes_per_shard

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Everything that decides what a scene of given split and index looks like.

        How many scenes there are is no part of it, so that a data set can grow. Assets
        enter by what they are, so that their folder can be moved.
        """
        assert is_dataclass(self.source)
        scenes = {k: v for k, v in asdict(self.source).items() if k != "num_scenes"}
        if self.source.assets is not None:
            scenes["assets"] = load_catalog(self.source.assets).digest
        pixels = {}
        if self.source.picture == "blender":
            pixels = {
                "samples": self.rendering.samples,
                "denoise": self.rendering.denoise,
            }
        return {**self.info, "scenes": scenes, "pixels": pixels}

    @property
    def info(self) -> dict[str, Any]:
        """What the label files say about their making."""
        return {
            "generator": self.source.generator,
            "engine": self.engine,
            "seed": self.seed,
        }

    def run(
        self, missing: Iterable[tuple[str, int]], count: int
    ) -> Generator[RenderedScene]:
        """Renders the `count` scenes that `missing` gives one by one, in any order.

        Raises:
            RenderError: a scene cannot be rendered.
            BlenderUnavailableError: Blender cannot start.
        """
        if not count:
            return
        total = sum(self.num_scenes.values())
        make = self._draw_dots if self.source.picture == "dot" else self._blend
        with (
            closing(make(missing)) as scenes,
            tqdm(
                scenes,
                desc=f"render {self.source.generator}",
                total=total,
                initial=total - count,
                unit=" images",
                mininterval=0.5,
                smoothing=0.05,
            ) as bar,
        ):
            yield from bar

    def measure(self, num_scenes: int) -> Measurement:
        """Renders the first scenes of the largest split and says how long each took.

        With Blender all workers render at the same time, each a scene as a warm-up and
        then its share of at least `num_scenes`.

        Raises:
            RenderError: a scene cannot be rendered.
            BlenderUnavailableError: Blender cannot start.
        """
        split = max(self.num_scenes, key=lambda name: self.num_scenes[name])
        if self.source.picture == "dot":
            return self._measure_dots(split, num_scenes)
        arguments = (self.rendering, self.engine, self.source)
        with RenderPool(self.rendering, MeasuredWorker, arguments) as pool:
            workers = pool.num_workers
            count = workers + max(num_scenes, workers)
            tasks = (
                Task(f"scene {index} of {split}", "measured", (self.seed, split, index))
                for index in range(count)
            )
            rows = [made for _, made in pool.map(tasks)]
        warm = [(scene, times) for scene, times in rows if times["number"] > 1]
        rows = warm or rows  # workers of one scene each are never warm
        seconds = tuple(times["make_s"] for _, times in rows)
        return Measurement(tuple(scene for scene, _ in rows), seconds, workers)

    def _measure_dots(self, split: str, num_scenes: int) -> Measurement:
        num_scenes = min(num_scenes, self.num_scenes[split])  # of a download
        next(self._draw_dots([(split, 0)]))
        start = time.perf_counter()
        samples = tuple(self._draw_dots((split, index) for index in range(num_scenes)))
        second = (time.perf_counter() - start) / num_scenes
        return Measurement(samples, (second,) * num_scenes, 1)

    def _blend(self, missing: Iterable[tuple[str, int]]) -> Generator[RenderedScene]:
        tasks = (
            Task(f"scene {index} of {split}", "make", (self.seed, split, index))
            for split, index in missing
        )
        with scene_pool(self.source, self.rendering) as pool:
            for _, scene in pool.map(tasks):
                yield scene

    def _draw_dots(
        self, missing: Iterable[tuple[str, int]]
    ) -> Generator[RenderedScene]:
        # in this process: a dot takes less time than a message to a worker
        engine = self.engine
        for split, index in missing:
            scene = self.source.draw(self.seed, split, index, 0)
            scene = replace(scene, engine=engine)
            yield encode(scene, dot_picture(scene, self.source), split, index)


def engine_of(source: SceneSource) -> str:
    """What makes the pictures of a domain, ``bpy 5.0.1``.

    Whoever renders asks for it first.

    Raises:
        BlenderUnavailableError: Blender does, and is not installed.
    """
    if source.picture == "dot":
        return f"pillow {version('pillow')}"
    return f"bpy {bpy_version()}"


def scene_pool(source: SceneSource, rendering: RenderingConfig) -> RenderPool:
    """A pool that renders scenes of a domain; open it once for many calls.

    Args:
        source: configuration of the domain; its pictures are Blender's.
        rendering: samples and workers.

    Raises:
        BlenderUnavailableError: Blender is not installed.
    """
    return RenderPool(rendering, BlenderWorker, (rendering, engine_of(source), source))


def render_pictures(
    scenes: Sequence[Scene],
    source: SceneSource,
    rendering: RenderingConfig,
    pool: RenderPool | None = None,
) -> list[Pixels]:
    """Pictures of given scenes, predicted ones for example, in their order.

    Args:
        scenes: with everything that the domain's pictures show; CLEVR scenes need
            camera and lights.
        source: configuration of the domain.
        rendering: samples and workers.
        pool: of `scene_pool` that is open already; else one is opened.

    Raises:
        ValueError: a scene lacks something.
        RenderError: a scene cannot be rendered.
    """
    if source.picture == "dot":
        return [dot_picture(scene, source) for scene in scenes]
    tasks = [
        Task(scene.image_filename or f"scene {index}", "picture", (scene,))
        for index, scene in enumerate(scenes)
    ]
    with nullcontext(pool) if pool else scene_pool(source, rendering) as ready:
        pictures = {id(task): made for task, made in ready.map(tasks)}
    return [pictures[id(task)] for task in tasks]


def dot_picture(scene: Scene, source: Any) -> Pixels:
    """The picture of a 2D scene; `source` gives the size of image and dots."""
    side_px, radius = source.width_px, source.radius
    picture = np.full((side_px, side_px, 3), 255, dtype=np.uint8)
    for obj in scene.objects:
        if obj.location is not None:
            x, y, _ = obj.location
            dot = draw_dot(x, y, side_px=side_px, radius=radius)
            picture = np.minimum(picture, dot)
    return picture
