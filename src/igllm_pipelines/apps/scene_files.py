"""Reads scenes from files that users hand over: label JSON and program text."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from igllm_pipelines.assets import AssetsConfig, load_catalog
from igllm_pipelines.assets.folder import folder_categories
from igllm_pipelines.domains import CLEVR_WORDS, DOMAINS
from igllm_pipelines.domains.sources import CONFIGS, DrawnConfig
from igllm_pipelines.report.reconstruction import rebuild
from igllm_pipelines.scene import (
    Camera,
    ProgramError,
    ProgramSyntax,
    Scene,
    SceneObject,
    parse_program,
    read_labels,
    scene_from_record,
)
from igllm_pipelines.scene.program import WORD_ATTRIBUTES

PROGRAMS = (".txt", ".py")
MAX_PX = 8192  # of the longer side
YAW = "rendered"  # how a yaw of CLEVR's labels is read: as their pictures show it
_FILLED = ("location", *WORD_ATTRIBUTES, "extents")


class SceneFileError(ValueError):
    """A file that holds no scene: says which, where, and what to do."""


@dataclass(frozen=True)
class FoundScene:
    """A scene that can be rendered.

    Attributes:
        name: of its folder.
        domain: that knows how to render it.
        scene: with camera, lights and every attribute.
        notes: what was filled in or left out, in plain words.
    """

    name: str
    domain: str
    scene: Scene
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SceneReader:
    """How files are read.

    Attributes:
        domain: of all of them, None for what a scene says itself.
        assets_root: folder of own 3D models, None for the procedural ones.
        rotation_rep: of programs, None for the domain's own.
        size_px: longer side of the pictures, None for what the scene says.
    """

    domain: str | None = None
    assets_root: Path | None = None
    rotation_rep: str | None = None
    size_px: int | None = None

    def source(self, domain: str) -> DrawnConfig:
        """The domain's configuration, with the user's models and size."""
        config = CONFIGS[domain]()
        if self.assets_root is not None and config.assets is not None:
            categories = folder_categories(self.assets_root)
            own = AssetsConfig(str(self.assets_root), categories, None, 0.0)
            config = replace(config, assets=own)
        if self.size_px is not None and config.picture == "dot":
            config = replace(config, width_px=self.size_px)
        return config

    def read(self, path: Path, limit: int | None = None) -> list[FoundScene]:
        """The scenes of a file, the first `limit` of them.

        Raises:
            SceneFileError: the file is neither, or cannot be read.
            LabelError: a label lacks something; says which scene.
        """
        if path.suffix.lower() == ".json":
            scenes = _read_json(path, limit)
            for scene in scenes:
                _check(path, scene)
            return [self._complete(path, scene) for scene in scenes]
        if path.suffix.lower() in PROGRAMS:
            return [self._read_program(path)]
        raise SceneFileError(
            f"{path}: a scene is a .json file, a program a {' or '.join(PROGRAMS)} file"
        )

    def _read_program(self, path: Path) -> FoundScene:
        if self.domain is None:
            raise SceneFileError(
                f"{path}: say which domain's program it is, --domain clevr for example"
            )
        source = self.source(self.domain)
        syntax = program_words(self.domain, source, self.rotation_rep)
        try:
            said = parse_program(_read_text(path), syntax)
        except ProgramError as error:
            raise SceneFileError(f"{path}, {error}") from error
        built = rebuild(said, source.nominal(), source.finish, syntax.attributes)
        if built.scene is None:
            raise SceneFileError(f"{path}: {'; '.join(built.notes)}")
        name = _file_name(path.stem)
        scene = replace(built.scene, image_filename=f"{name}.png")
        return FoundScene(name, self.domain, self._sized(scene), built.notes)

    def _complete(self, path: Path, scene: Scene) -> FoundScene:
        """A labelled scene with what it does not say, the domain's nominal values."""
        domain = self.domain or _domain_of(scene)
        if domain is None:
            raise SceneFileError(
                f"{path}, {scene.image_filename}: it does not say of which domain it "
                "is: give --domain clevr, for example"
            )
        source, notes = self.source(domain), []
        objects = tuple(_filled(obj, source.finish(obj)) for obj in scene.objects)
        scene = replace(scene, objects=objects)
        nominal = source.nominal()
        if scene.camera is None and nominal.camera is not None:
            notes.append(f"no camera in the file: {domain}'s nominal one is taken")
            scene = replace(scene, camera=nominal.camera)
            scene = replace(scene, backdrop=scene.backdrop or nominal.backdrop)
        if not scene.lights and nominal.lights:
            notes.append("no lights in the file: the nominal ones are taken")
            scene = replace(scene, lights=nominal.lights)
        name = _file_name(Path(scene.image_filename).stem)
        return FoundScene(name, domain, self._sized(scene), tuple(notes))

    def _sized(self, scene: Scene) -> Scene:
        """The scene as it is seen in a picture of the wanted size."""
        if scene.camera is None:
            return scene
        camera = scene.camera
        if self.size_px is not None:
            camera = _resized(camera, self.size_px)
        objects = (
            replace(obj, pixel_coords=tuple(camera.project(obj.location).tolist()))
            if obj.location is not None
            else obj
            for obj in scene.objects
        )
        return replace(scene, camera=camera, objects=tuple(objects))


def program_words(
    domain: str, source: DrawnConfig, rotation_rep: str | None
) -> ProgramSyntax:
    """The syntax of a domain's programs with every word that can be rendered."""
    syntax = DOMAINS[domain].syntax
    words: dict[str, tuple[str, ...]] = {
        name: CLEVR_WORDS[name] for name in syntax.attributes if name in WORD_ATTRIBUTES
    }
    if source.assets is not None and "shape" in words:
        words["shape"] = tuple(load_catalog(source.assets).by_id)
    return replace(
        syntax, words=words, rotation_rep=rotation_rep or syntax.rotation_rep
    )


def _resized(camera: Camera, longer_px: int) -> Camera:
    scale = longer_px / max(camera.width_px, camera.height_px)
    width, height = (
        max(1, round(side * scale)) for side in (camera.width_px, camera.height_px)
    )
    return replace(camera, width_px=width, height_px=height)


def _read_json(path: Path, limit: int | None) -> list[Scene]:
    content = _parse_json(path)
    if isinstance(content, Mapping) and "objects" in content:
        return [scene_from_record(dict(content), str(path), YAW)]
    return read_labels(path, yaw=YAW, limit=limit)


def _check(path: Path, scene: Scene) -> None:
    """Raises a SceneFileError where Blender would not take a value."""
    camera = scene.camera
    if camera is None:
        return
    sides = (camera.width_px, camera.height_px)
    if not all(isinstance(side, int) and side <= MAX_PX for side in sides):
        raise SceneFileError(
            f"{path}, {scene.image_filename}: the image size must be whole numbers up "
            f"to {MAX_PX}: {sides}"
        )


def _parse_json(path: Path) -> Any:
    text = _read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SceneFileError(
            f"{path}, line {error.lineno}, column {error.colno}: no valid JSON "
            f"({error.msg})"
        ) from error
    except (ValueError, RecursionError) as error:  # long numbers, deep lists
        raise SceneFileError(f"{path}: no valid JSON ({error})") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SceneFileError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SceneFileError(f"{path} cannot be read: {error}") from error


def _filled(said: SceneObject, finished: SceneObject) -> SceneObject:
    """The object with attributes of `finished` in the place of missing ones."""
    missing = [name for name in _FILLED if getattr(said, name) is None]
    return replace(said, **{name: getattr(finished, name) for name in missing})


def _domain_of(scene: Scene) -> str | None:
    """The domain whose code drew a scene, in whatever version."""
    known = {c.generator.rpartition("-")[0]: name for name, c in CONFIGS.items()}
    return known.get(scene.generator.rpartition("-")[0])


def _file_name(name: str) -> str:
    """A name that no file system minds."""
    return re.sub(r"[^\w.-]", "_", name, flags=re.ASCII).strip(".")[:100] or "scene"
