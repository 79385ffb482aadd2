"""Pictures turned into scenes: program, rendering and files of each, in a folder.

A picture that a user brings has no known camera. Its scene is rendered under the
domain's nominal camera and lights, at the size of the domain's pictures.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from igllm_pipelines.apps.placing import drawn_source, placed, unseen
from igllm_pipelines.apps.reconstruction_files import (
    INPUT,
    PROGRAM,
    RECORD,
    finish_folder,
    new_partial,
    partial_folder,
)
from igllm_pipelines.apps.refinement import Refinement, drawn_programs
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.infer.package import ModelPackage
from igllm_pipelines.infer.pictures import Pixels
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.export import ExportedScene, export_each, write_label
from igllm_pipelines.render.job import scene_pool
from igllm_pipelines.render.pool import RenderError, RenderPool
from igllm_pipelines.render.preview import previewer
from igllm_pipelines.report.reconstruction import Rebuilt
from igllm_pipelines.scene import Scene, write_program

Record = Mapping[str, Any]
SAMPLES = 16  # of Cycles, a pixel


@dataclass(frozen=True)
class Reconstruction:
    """What became of one picture.

    Attributes:
        name: of the picture and of its folder.
        folder: where its files lie.
        program: its text.
        scene: what is rendered; None where the program does not parse or holds nothing
            that can be drawn.
        log_probability: of the tokens of the model's program, natural logarithm.
        number_stds: how unsure the model is of each number of its program, in order
            and in the number's unit; empty where its numeric head does not say it.
        notes: what was filled in, left out or went wrong, in plain words.
        files: paths by what they hold, those that exist: ``input``, ``program``,
            ``scene``, ``script``, ``picture``, ``blend``, ``glb``, ``record``.
        guess: the model's own program, where a search has changed it.
        score_before, score_after: how far the pictures of the model's scene and of the
            refined one are from the input, see `infer.refine.Refined`; None without
            refinement.
    """

    name: str
    folder: Path
    program: str
    scene: Scene | None
    log_probability: float
    number_stds: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    guess: str | None = None
    score_before: float | None = None
    score_after: float | None = None


class Reconstructor:
    """A context in which pictures become scenes; model and Blender stay warm.

    Args:
        package: the model.
        inference: how to decode, None for the package's way.
        refine_s: seconds of search around the scene of each picture, 0 for none.
        workers: Blender processes, None for one a core.
        pictures: also render the scenes and write what Blender opens; else programs
            and labels alone, without Blender.

    Raises:
        ModelFolderError: the model cannot be loaded.
        ValueError: a refinement without pictures.
    """

    def __init__(
        self,
        package: ModelPackage,
        *,
        inference: InferenceConfig | None = None,
        refine_s: float = 0.0,
        workers: int | None = None,
        pictures: bool = True,
    ) -> None:
        if refine_s and not pictures:
            raise ValueError("a refinement compares pictures: it cannot go without")
        self.package = package
        self._pictures = pictures
        self._source = drawn_source(package)
        self._rendering = RenderingConfig(workers=workers, samples=SAMPLES)
        self._inference = inference or package.inference
        self._predictor = package.predictor(self._inference)
        self._refine_s = refine_s
        self._refinement: Refinement | None = None
        self._open = ExitStack()
        self._pool: RenderPool | None = None

    def __enter__(self) -> "Reconstructor":
        if self._pictures and self._source.picture == "blender":
            pool = scene_pool(self._source, self._rendering)
            self._pool = self._open.enter_context(pool)
        if self._refine_s:
            self._refinement = Refinement(
                domain=self.package.domain,
                seconds=self._refine_s,
                seed=self._inference.seed,
                draw=previewer(self._source, self._pool),
                side_px=self._source.width_px,
                pads=self._predictor.pads,
            )
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
            if not name or name != Path(name).name or name.startswith("."):
                raise ValueError(f"{name!r} cannot be the name of a folder")
        records = self._predictor.predict_pictures(pictures)
        drafts = [self._draft(record, out) for record in records]
        for draft, exported in self._exported(drafts, pictures):
            done = _with_files(draft, exported)
            record = {**(about or {}).get(draft.name, {}), **record_of(done)}
            finish_folder(done.folder, pictures[done.name], done.program, record)
            yield done

    def _draft(self, record: Record, out: Path) -> Reconstruction:
        """What the model says of a picture, before anything is written."""
        name = record["image"]
        built = self._placed(name, record["program"])
        return Reconstruction(
            name=name,
            folder=out / name,
            program=record["program"],
            scene=built.scene,
            log_probability=record["log_probability"],
            number_stds=tuple(record.get("number_stds", ())),
            notes=built.notes,
        )

    def _placed(self, name: str, program: str) -> Rebuilt:
        return placed(program, self.package.syntax, self._source, name)

    def _exported(
        self, drafts: Sequence[Reconstruction], pictures: Mapping[str, Pixels]
    ) -> Iterator[tuple[Reconstruction, ExportedScene | None]]:
        """Writes the files of scenes; None where there is no scene."""
        for draft in drafts:
            new_partial(draft.folder)
        if self._refinement is None:
            yield from self._export(drafts)
            return
        guesses = self._other_guesses(pictures)
        for draft in drafts:  # written one by one: a search takes long
            refined = self._refined(draft, pictures[draft.name], guesses[draft.name])
            yield from self._export([refined])

    def _export(
        self, drafts: Sequence[Reconstruction]
    ) -> Iterator[tuple[Reconstruction, ExportedScene | None]]:
        drawable = []
        for draft in drafts:
            if draft.scene is None:
                yield draft, None
            else:
                drawable.append((draft, draft.scene))
        if not self._pictures:
            for draft, scene in drawable:
                yield draft, write_label(scene, partial_folder(draft.folder))
            return
        left = dict(enumerate(drawable))
        exports = export_each(
            [scene for _, scene in drawable],
            self._source,
            self._rendering,
            [partial_folder(draft.folder) for draft, _ in drawable],
            pool=self._pool,
        )
        try:
            for index, exported in exports:
                draft, _ = left.pop(index)
                yield draft, exported
        except RenderError as error:
            self._reopen_after(error)
            rest = []
            for draft, _ in left.values():
                if draft.name == error.given_up:
                    folder = partial_folder(draft.folder)
                    yield draft, ExportedScene(folder, problem=str(error))
                else:
                    rest.append(draft)
            yield from self._export(rest)

    def _reopen_after(self, error: RenderError) -> None:
        """Starts Blender anew after a scene that killed it; raises other errors."""
        if error.given_up is None:
            raise error
        self._open.close()
        self.__enter__()

    def _other_guesses(self, pictures: Mapping[str, Pixels]) -> dict[str, list[Scene]]:
        """Scenes of programs that are drawn from the model, by picture."""
        guesses: dict[str, list[Scene]] = {name: [] for name in pictures}
        for config in drawn_programs(self._inference):
            predictor = self._predictor.decoding(config)
            for record in predictor.predict_pictures(pictures):
                built = self._placed(record["image"], record["program"])
                if built.scene is not None:
                    guesses[record["image"]].append(built.scene)
        return guesses

    def _refined(
        self, draft: Reconstruction, picture: Pixels, guesses: Sequence[Scene]
    ) -> Reconstruction:
        """The draft with the scene that a search finds."""
        if self._refinement is None or draft.scene is None or not draft.scene.objects:
            return draft
        try:
            refined = self._refinement.refined(draft.scene, picture, guesses)
        except (ValueError, RenderError) as error:
            if isinstance(error, RenderError):
                self._reopen_after(error)
            return replace(draft, notes=(*draft.notes, f"it is not refined: {error}"))
        done = replace(
            draft, score_before=refined.score_before, score_after=refined.score_after
        )
        if refined.scene is draft.scene:
            return done
        scene = refined.scene.left_to_right()
        program = write_program(scene, self.package.syntax)
        return replace(done, scene=scene, program=program, guess=draft.program)


def _with_files(
    draft: Reconstruction, exported: ExportedScene | None
) -> Reconstruction:
    """The reconstruction when all its files are written."""
    names = {"input": INPUT, "program": PROGRAM, "record": RECORD}
    notes = draft.notes
    if exported is not None:
        names |= {key: path.name for key, path in exported.files.items()}
        notes += (exported.problem,) if exported.problem else ()
    if draft.scene is not None:
        notes += tuple(unseen(draft.scene))
    files = {key: draft.folder / name for key, name in names.items()}
    return replace(draft, notes=notes, files=files)


def record_of(done: Reconstruction) -> dict[str, Any]:
    """What ``reconstruction.json`` says of a reconstruction; paths are file names."""
    record = {
        "name": done.name,
        "program": done.program,
        "objects": len(done.scene.objects) if done.scene else 0,
        "log_probability": done.log_probability,
        "number_stds": list(done.number_stds),
        "notes": list(done.notes),
        "guess": done.guess,
        "score_before": done.score_before,
        "score_after": done.score_after,
        "files": {key: path.name for key, path in done.files.items()},
    }
    return {key: value for key, value in record.items() if value is not None}
