"""Label files: a split's scenes as JSON, in the official format and beyond it.

A file is ``{"info": {...}, "scenes": [...]}``; a bare list is read too. The official
fields of an object are ``3d_coords``, ``pixel_coords``, ``size``, ``color``,
``material``, ``shape`` and ``rotation`` (one number: yaw in degrees; three: extrinsic
xyz Euler angles in radians). Ours stand beside them: ``rotation_quat``,
``visible_pixels``, ``texture`` and ``extents`` of assets, and on the scene ``camera``,
``lights``, ``backdrop``, ``seed``, ``generator``, ``engine``, which suffice to render
the image again.

A yaw that comes without ``rotation_quat`` is read in one of two ways (`YAWS`). The
original CLEVR generator drew a number of degrees in [0, 360) and handed it to Blender,
which takes radians. ``stated`` reads degrees, as the label says and as the paper does;
``rendered`` reads radians, which is what the pictures show.
"""

import json
import math
import os
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from igllm_pipelines.scene.rotations import (
    from_representation,
    quat_from_yaw,
    to_representation,
    yaw_from_quat,
)
from igllm_pipelines.scene.scene import (
    Camera,
    Light,
    Scene,
    SceneObject,
    finite_tuple,
)

Record = dict[str, Any]
_WORDS = ("size", "color", "material", "shape")
_MORE_WORDS = (*_WORDS, "texture")
YAWS = ("rendered", "stated")
MAX_PIXELS = 2**31 - 1


class LabelError(ValueError):
    """A label that cannot be used: says where, what is wrong, what to do."""


def object_to_record(obj: SceneObject) -> Record:
    """One object as a JSON record; unknown attributes are left out.

    The rotation of an asset (an object with extents) is written as Euler angles in
    radians. Of another object, a rotation about the z axis alone is written as yaw in
    degrees.
    """
    record: Record = {name: getattr(obj, name) for name in _MORE_WORDS}
    record["3d_coords"] = _list(obj.location)
    record["extents"] = _list(obj.extents)
    record["pixel_coords"] = _list(obj.pixel_coords)
    record["visible_pixels"] = obj.visible_pixels
    if obj.rotation is not None:
        upright = obj.extents is None and math.hypot(*obj.rotation[1:3]) < 1e-9
        record["rotation"] = (
            math.degrees(yaw_from_quat(obj.rotation))
            if upright
            else to_representation(obj.rotation, "euler").tolist()
        )
        record["rotation_quat"] = list(obj.rotation)
    return {key: value for key, value in record.items() if value is not None}


def _list(values: Iterable[float] | None) -> list[float] | None:
    return None if values is None else list(values)


def scene_to_record(scene: Scene) -> Record:
    """One scene as a JSON record."""
    record: Record = {
        "image_filename": scene.image_filename,
        "objects": [object_to_record(obj) for obj in scene.objects],
        "camera": asdict(scene.camera) if scene.camera else None,
        "lights": [asdict(light) for light in scene.lights],
        "backdrop": scene.backdrop,
        "seed": list(scene.seed),
        "generator": scene.generator,
        "engine": scene.engine,
    }
    official = ("image_filename", "objects")
    return {k: v for k, v in record.items() if v or k in official}


def scene_from_record(record: Record, where: str, yaw: str = "stated") -> Scene:
    """Reads one scene.

    Args:
        record: as in a label file.
        where: names the record in errors, ``train.json, scene 7``.
        yaw: of `YAWS`, how a yaw without a quaternion is read.

    Raises:
        LabelError: a field is missing, of the wrong type or not finite.
    """
    if not isinstance(record, dict) or not isinstance(record.get("objects"), list):
        raise LabelError(f"{where}: a scene must be an object with a list 'objects'")
    filename = record.get("image_filename")
    if not isinstance(filename, str) or not filename:
        raise LabelError(f"{where}: 'image_filename' is missing or no text")
    objects = [
        _object_from_record(obj, f"{where} ({filename}), object {index}", yaw)
        for index, obj in enumerate(record["objects"])
    ]
    try:
        return Scene(
            objects=tuple(objects),
            image_filename=filename,
            camera=Camera(**record["camera"]) if record.get("camera") else None,
            lights=tuple(Light(**light) for light in record.get("lights", ())),
            backdrop=str(record.get("backdrop", "")),
            seed=tuple(record.get("seed", ())),
            generator=str(record.get("generator", "")),
            engine=str(record.get("engine", "")),
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise LabelError(f"{where} ({filename}): {error}") from error


def _object_from_record(record: Record, where: str, yaw: str) -> SceneObject:
    if not isinstance(record, dict):
        raise LabelError(f"{where}: an object must be a JSON object")
    if "3d_coords" not in record:
        raise LabelError(f"{where}: '3d_coords' is missing")
    words = {name: record.get(name) for name in _MORE_WORDS}
    for name, word in words.items():
        if word is not None and not isinstance(word, str):
            raise LabelError(
                f"{where}: '{name}' must be text, it is {reprlib.repr(word)}"
            )
    pixels = record.get("visible_pixels")
    whole = type(pixels) is int and 0 <= pixels <= MAX_PIXELS
    if pixels is not None and not whole:
        raise LabelError(f"{where}: 'visible_pixels' must be a number of pixels")
    try:
        return SceneObject(
            location=finite_tuple(record["3d_coords"], 3, "3d_coords"),  # type: ignore[arg-type]
            rotation=_rotation(record, yaw),  # type: ignore[arg-type]
            extents=record.get("extents"),
            pixel_coords=record.get("pixel_coords"),
            visible_pixels=pixels,
            **words,
        )
    except (TypeError, ValueError) as error:
        raise LabelError(f"{where}: {error}; mend or remove the label") from error


def _rotation(record: Record, yaw: str) -> tuple[float, ...] | None:
    if "rotation_quat" in record:
        return finite_tuple(record["rotation_quat"], 4, "rotation_quat")
    rotation = record.get("rotation")
    if rotation is None:
        return None
    if isinstance(rotation, Sequence):
        angles = finite_tuple(rotation, 3, "rotation")
        return tuple(from_representation(angles, "euler").tolist())
    (number,) = finite_tuple([rotation], 1, "rotation")
    yaw_rad = number if yaw == "rendered" else math.radians(number)
    return tuple(quat_from_yaw(yaw_rad).tolist())


def write_labels(
    path: Path, records: Iterable[Record], info: Mapping[str, Any]
) -> None:
    """Writes a label file under a temporary name, then renames it.

    The same records and info give the same bytes. The records come one by one, so that
    a large split never lies in memory.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write('{"info": ' + json.dumps(info, sort_keys=True) + ', "scenes": [')
        for index, record in enumerate(records):
            file.write(",\n" if index else "\n")
            json.dump(record, file, allow_nan=False)
        file.write("\n]}\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def read_labels(
    path: Path, *, yaw: str = "stated", limit: int | None = None
) -> list[Scene]:
    """Reads a label file, official or ours.

    Args:
        path: of the file.
        yaw: of `YAWS`, how a yaw without a quaternion is read.
        limit: only so many scenes from the beginning, None for all.

    Raises:
        LabelError: the file is missing or no JSON, a scene cannot be read, or two
            scenes name the same image.
    """
    if not path.is_file():
        raise LabelError(f"{path}: no such label file; render or download the data")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LabelError(f"{path}: no valid JSON ({error}); make it again") from error
    records = content.get("scenes") if isinstance(content, dict) else content
    if not isinstance(records, list):
        raise LabelError(f"{path}: neither a list of scenes nor a list under 'scenes'")
    scenes = [
        scene_from_record(record, f"{path}, scene {index}", yaw)
        for index, record in enumerate(records[:limit])
    ]
    _check_unique(path, scenes)
    return scenes


def _check_unique(path: Path, scenes: Sequence[Scene]) -> None:
    first: dict[str, int] = {}
    for index, scene in enumerate(scenes):
        other = first.setdefault(scene.image_filename, index)
        if other != index:
            raise LabelError(
                f"{path}: scenes {other} and {index} name the same image "
                f"{scene.image_filename!r}; rename or remove one"
            )
