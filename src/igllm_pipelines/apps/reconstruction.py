"""Pictures turned into scenes: program, rendering and files of each, in a folder.

A picture that a user brings has no known camera. Its scene is rendered under the
domain's nominal camera and lights, at the size of the domain's pictures.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from igllm_pipelines.domains.sources import CONFIGS, scene_config
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.infer.package import ModelPackage
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.export import ExportedScene, export_each
from igllm_pipelines.render.job import scene_pool
from igllm_pipelines.render.pool import RenderPool
from igllm_pipelines.report.reconstruction import Rebuilt, rebuild
from igllm_pipelines.scene import ProgramError, Scene, parse_program

Pixels = NDArray[np.uint8]  # (height, width, 3)
Record = Mapping[str, Any]

RECORD, PROGRAM, INPUT = "reconstruction.json", "program.txt", "input.png"
INPUT_PX = 512  # longer side of the copy of the input
SAMPLES = 16  # of Cycles, a pixel
# how the official pictures were taken, where the domain's defaults differ
_OFFICIAL: Mapping[str, Mapping[str, Any]] = {
    "clevr": {"width_px": 480, "height_px": 320, "lens_mm": 35.0}
}


@dataclass(frozen=True)
class Reconstruction:
    """What became of one picture.

    Attributes:
        name: of the picture and of its folder.
        folder: where its files lie.
        program: its text.
        scene: what is rendered; None where the program does not parse or holds nothing
            that can be drawn.
        log_probability: of the program's tokens, natural logarithm.
        number_stds: how unsure the model is of each number of the program, in order
            and in the number's unit; empty where its numeric head does not say it.
        notes: what was filled in, left out or went wrong, in plain words.
        files: paths by what they hold, those that exist: ``input``, ``program``,
            ``scene``, ``script``, ``picture``, ``blend``, ``glb``, ``record``.
    """

    name: str
    folder: Path
    program: str
    scene: Scene | None
    log_probability: float
    number_stds: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)


class Reconstructor:
    """A context in which pictures become scenes; model and Blender stay warm.

    Args:
        package: the model.
        inference: how to decode, None for the package's way.
        refine_s: seconds of search around each predicted scene, 0 for none.
        workers: Blender processes, None for one a core.

    Raises:
        ModelFolderError: the model cannot be loaded.
    """

    def __init__(
        self,
        package: ModelPackage,
        *,
        inference: InferenceConfig | None = None,
        refine_s: float = 0.0,
        workers: int | None = None,
    ) -> None:
        self.package = package
        self._refine_s = refine_s
        self._source = drawn_source(package)
        self._rendering = RenderingConfig(workers=workers, samples=SAMPLES)
        self._predictor = package.predictor(inference)
        self._open = ExitStack()
        self._pool: RenderPool | None = None

    def __enter__(self) -> "Reconstructor":
        if self._source.picture == "blender":
            pool = scene_pool(self._source, self._rendering)
            self._pool = self._open.enter_context(pool)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def reconstruct(
        self, pictures: Mapping[str, Pixels], out: Path
    ) -> list[Reconstruction]:
        """A folder for each picture, as `each` makes them, in the pictures' order."""
        made = {one.name: one for one in self.each(pictures, out)}
        return [made[name] for name in pictures]

    def each(
        self,
        pictures: Mapping[str, Pixels],
        out: Path,
        about: Mapping[str, Record] | None = None,
    ) -> Iterator[Reconstruction]:
        """Yields reconstructions as they are finished.

        Each folder appears whole; one of the same name is replaced.

        Args:
            pictures: ``(height, width, 3)`` of any size, by name. A name is that of a
                folder under `out`.
            out: folder, made where it is missing.
            about: by name, what the folder's ``reconstruction.json`` says besides.

        Raises:
            ValueError: a name is none of a folder.
            RenderError: no Blender starts.
        """
        for name in pictures:
            if name != Path(name).name or name.startswith("."):
                raise ValueError(f"{name!r} cannot be the name of a folder")
        records = self._predictor.predict_pictures(pictures)
        drafts = [self._draft(record, out) for record in records]
        for draft, exported in self._exported(drafts):
            said = (about or {}).get(draft.name, {})
            yield _finish(draft, exported, pictures[draft.name], said)

    def _draft(self, record: Record, out: Path) -> Reconstruction:
        """What the model says of a picture, before anything is written."""
        name = record["image"]
        built = self._placed(record["program"], name)
        return Reconstruction(
            name=name,
            folder=out / name,
            program=record["program"],
            scene=built.scene,
            log_probability=record["log_probability"],
            number_stds=tuple(record.get("number_stds", ())),
            notes=built.notes,
        )

    def _placed(self, program: str, name: str) -> Rebuilt:
        """The program's scene under the nominal camera."""
        setup = replace(self._source.nominal(), image_filename=name)
        syntax = self.package.syntax
        try:
            said = parse_program(program, syntax)
        except ProgramError as error:
            return Rebuilt(None, (f"the program does not parse: {error}",))
        built = rebuild(said, setup, self._source.finish, syntax.attributes)
        if built.scene is None or setup.camera is None:
            return built
        return replace(built, notes=(*built.notes, *_unseen(built.scene)))

    def _exported(
        self, drafts: Iterable[Reconstruction]
    ) -> Iterator[tuple[Reconstruction, ExportedScene | None]]:
        """Writes the scenes' files; None where there is no scene."""
        drawable = []
        for draft in drafts:
            _new_folder(_partial(draft.folder))
            if draft.scene is None:
                yield draft, None
            else:
                drawable.append(draft)
        scenes = [draft.scene for draft in drawable if draft.scene is not None]
        folders = [_partial(draft.folder) for draft in drawable]
        exports = export_each(
            scenes, self._source, self._rendering, folders, pool=self._pool
        )
        for index, exported in exports:
            yield drawable[index], exported


def drawn_source(package: ModelPackage) -> Any:
    """What draws the scenes of a model: the configuration of its training data.

    Official downloads cannot be drawn from: the domain's own studio stands in, with the
    camera of their pictures.
    """
    source = scene_config(package.domain, package.scenes)
    if source.picture == "official":
        return CONFIGS[package.domain](**_OFFICIAL.get(package.domain, {}))
    return source


def _unseen(scene: Scene) -> Iterator[str]:
    """Says where nothing is to be seen, and which objects lie beside the picture."""
    assert scene.camera is not None
    sides = scene.camera.width_px, scene.camera.height_px
    outside = [
        number
        for number, obj in enumerate(scene.objects, 1)
        if obj.pixel_coords is None
        or not all(
            0 <= at <= px for at, px in zip(obj.pixel_coords, sides, strict=False)
        )
    ]
    if len(outside) == len(scene.objects):
        yield "no object lies in the picture"
        return
    for number in outside:
        yield f"the centre of object {number} lies outside the picture"


def _finish(
    draft: Reconstruction,
    exported: ExportedScene | None,
    picture: Pixels,
    about: Record,
) -> Reconstruction:
    """Writes the other files and gives the folder its name."""
    partial = _partial(draft.folder)
    (partial / PROGRAM).write_text(draft.program, encoding="utf-8")
    _small(picture).save(partial / INPUT)
    names = {"input": INPUT, "program": PROGRAM, "record": RECORD}
    notes = draft.notes
    if exported is not None:
        names |= {key: path.name for key, path in exported.files.items()}
        notes += (exported.problem,) if exported.problem else ()
    files = {key: draft.folder / name for key, name in names.items()}
    done = replace(draft, notes=notes, files=files)
    text = json.dumps({**about, **record_of(done)}, indent=1, allow_nan=False) + "\n"
    (partial / RECORD).write_text(text, encoding="utf-8")
    _replace(partial, draft.folder)
    return done


def record_of(done: Reconstruction) -> dict[str, Any]:
    """What ``reconstruction.json`` says of a reconstruction; paths are file names."""
    return {
        "name": done.name,
        "program": done.program,
        "objects": len(done.scene.objects) if done.scene else 0,
        "log_probability": done.log_probability,
        "number_stds": list(done.number_stds),
        "notes": list(done.notes),
        "files": {key: path.name for key, path in done.files.items()},
    }


def _small(picture: Pixels) -> Image.Image:
    image = Image.fromarray(picture)
    image.thumbnail((INPUT_PX, INPUT_PX))
    return image


def _partial(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.partial")


def _new_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _replace(folder: Path, target: Path) -> None:
    """Renames a folder; what was there before goes."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    with suppress(FileNotFoundError):
        os.rename(target, old)
    os.rename(folder, target)
    shutil.rmtree(old, ignore_errors=True)
