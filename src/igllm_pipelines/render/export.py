"""Writes scenes as files: a picture, the label, and what Blender can open.

===============  ================================================================
``scene.json``   the label record, see `scene.labels`; `igllm render` reads it
``render.png``   the picture
``scene.blend``  camera, lamps, backdrop and named objects, everything packed
``scene.glb``    objects and camera, with colors that any viewer shows
``scene.py``     Python that rebuilds the scene in stock Blender
===============  ================================================================
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.job import dot_picture, engine_of, scene_pool
from igllm_pipelines.render.pool import RenderPool, Task
from igllm_pipelines.render.script import GLB, dot_script
from igllm_pipelines.render.worker import SceneSource, encode_png
from igllm_pipelines.scene.labels import scene_to_record
from igllm_pipelines.scene.scene import Scene

# what is written, by the key that `ExportedScene.files` has
NAMES: Mapping[str, str] = {
    "scene": "scene.json",
    "picture": "render.png",
    "blend": "scene.blend",
    "glb": GLB,
    "script": "scene.py",
}
KINDS = ("blend", "glb", "script")  # those one may go without


@dataclass(frozen=True)
class ExportedScene:
    """What was written of a scene.

    Attributes:
        folder: where.
        files: by the keys of `NAMES`, those that exist.
        problem: why nothing but ``scene.json`` exists, None where all went well.
    """

    folder: Path
    files: Mapping[str, Path] = field(default_factory=dict)
    problem: str | None = None


def export_scenes(
    scenes: Sequence[Scene],
    source: SceneSource,
    rendering: RenderingConfig,
    folders: Sequence[Path],
    *,
    kinds: Sequence[str] = KINDS,
    pool: RenderPool | None = None,
) -> list[ExportedScene]:
    """Writes each scene into its folder, which is made; in the order of the scenes.

    A scene that cannot be rendered is told of in its `ExportedScene.problem`; the
    others are written.

    Args:
        scenes: with everything that the domain's pictures show, see `SceneSource`.
        source: configuration of the domain.
        rendering: samples and workers.
        folders: one a scene, all different.
        kinds: of `KINDS`; label and picture are always written. A script that reads
            meshes from ``scene.glb`` brings it along. 2D knows scripts alone.
        pool: of `job.scene_pool` that is open already; else one is opened.

    Raises:
        ValueError: the numbers of scenes and folders differ, or a kind is unknown.
        RenderError: no render worker starts.
    """
    exports = dict(
        export_each(scenes, source, rendering, folders, kinds=kinds, pool=pool)
    )
    return [exports[index] for index in range(len(scenes))]


def export_each(
    scenes: Sequence[Scene],
    source: SceneSource,
    rendering: RenderingConfig,
    folders: Sequence[Path],
    *,
    kinds: Sequence[str] = KINDS,
    pool: RenderPool | None = None,
) -> Iterator[tuple[int, ExportedScene]]:
    """`export_scenes` one by one: yields index and export as they are finished."""
    if len({*folders}) != len(scenes):
        raise ValueError(f"{len(scenes)} scenes need as many folders, all different")
    if unknown := {*kinds} - {*KINDS}:
        raise ValueError(f"unknown kinds {sorted(unknown)}, there are {KINDS}")
    engine = engine_of(source)
    stamped = [
        replace(
            scene,
            engine=engine,
            image_filename=scene.image_filename or f"{folder.name}.png",
        )
        for scene, folder in zip(scenes, folders, strict=True)
    ]
    if source.picture == "dot":
        for index, scene in enumerate(stamped):
            files = _dot_files(scene, source, kinds)
            yield index, _write(folders[index], scene, files)
        return
    tasks = [
        Task(scene.image_filename or f"scene {index}", "export", (scene, tuple(kinds)))
        for index, scene in enumerate(stamped)
    ]
    index_of = {id(task): index for index, task in enumerate(tasks)}
    opened = nullcontext(pool) if pool else scene_pool(source, rendering)
    with opened as ready:
        for task, made in ready.map(tasks):
            index = index_of[id(task)]
            yield index, _write(folders[index], stamped[index], made)


def write_label(scene: Scene, folder: Path) -> ExportedScene:
    """Writes ``scene.json`` alone, which needs no renderer; `igllm render` reads it."""
    name = scene.image_filename or f"{folder.name}.png"
    return _write(folder, replace(scene, image_filename=name), {})


def _dot_files(scene: Scene, source: Any, kinds: Sequence[str]) -> dict[str, bytes]:
    made = {"picture": encode_png(dot_picture(scene, source))}
    if "script" in kinds:
        script = dot_script(scene, side_px=source.width_px, radius=source.radius)
        made["script"] = script.encode()
    return made


def _write(
    folder: Path, scene: Scene, made: Mapping[str, bytes] | str
) -> ExportedScene:
    folder.mkdir(parents=True, exist_ok=True)
    record = json.dumps(scene_to_record(scene), indent=1, allow_nan=False) + "\n"
    contents = {"scene": record.encode()}
    problem = made if isinstance(made, str) else None
    if not isinstance(made, str):
        contents |= made
    paths = {key: folder / NAMES[key] for key in NAMES if key in contents}
    for key, path in paths.items():
        partial = path.with_name(f".{path.name}.partial")
        partial.write_bytes(contents[key])
        os.replace(partial, path)
    return ExportedScene(folder, paths, problem)
