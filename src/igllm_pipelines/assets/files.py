"""Mesh files: reading them, and saying what is wrong with them."""

import json
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from igllm_pipelines.assets.catalog import AssetError, Vector3
from igllm_pipelines.assets.mesh import Array, Mesh

if TYPE_CHECKING:
    import trimesh

SUFFIXES = (".obj", ".glb")
_FLAT = 1e-6
# what values of a wrong kind lead to in a header that names anything anywhere
_WRONG = (AttributeError, KeyError, TypeError, ValueError, RecursionError)
_ROUGHEST = 5e-4  # step between coordinates, as a share of the largest extent
# what a GLB file may require: Blender and trimesh read these, or lose but a shade
_EXTENSIONS = {
    *("KHR_lights_punctual", "KHR_texture_transform", "EXT_texture_webp"),
    *(
        f"KHR_materials_{name}"
        for name in (
            *("pbrSpecularGlossiness", "unlit", "clearcoat", "variants", "volume"),
            *("emissive_strength", "transmission", "specular", "sheen", "ior"),
        )
    ),
}
_MATERIAL_FILE = re.compile(r"^\s*mtllib\s+(.+?)\s*$", re.MULTILINE)
_TEXTURE = re.compile(
    r"^\s*(?:map_\w+|bump|disp|decal|norm|refl)\s+(.+?)\s*$",
    re.MULTILINE | re.IGNORECASE,
)


@dataclass(frozen=True)
class FileCheck:
    """What the check of one mesh file found.

    Attributes:
        errors: why it cannot be used.
        warnings: what looks wrong in it.
        low: lowest x, y, z of its faces in the file's coordinates; None with an error.
        high: the highest ones.
    """

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    low: Vector3 | None = None
    high: Vector3 | None = None


def read_mesh(path: str) -> Mesh:
    """The triangles of an OBJ or GLB file, in the file's coordinates.

    The nodes of a GLB are placed as its scene says. It is shaded flat: what the file
    says of shading and materials is for the renderer to read.

    Raises:
        AssetError: the file cannot be read.
    """
    try:
        mesh = _read(path)
    except ValueError as error:
        raise AssetError(f"{path}: {error}") from error
    faces = np.asarray(mesh.faces, dtype=np.int64)
    return Mesh(np.asarray(mesh.vertices), tuple(map(tuple, faces.tolist())))


def _read(path: str | Path) -> "trimesh.Trimesh":
    import trimesh

    try:
        scene = trimesh.load_scene(str(path), process=False, skip_materials=True)
        return scene.to_mesh()
    except Exception as error:  # trimesh raises whatever a broken file leads to
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"it cannot be read: {reason}; export it again") from error


def check_file(path: Path) -> FileCheck:
    """Reads a mesh file and looks for what would spoil a picture of it.

    A mesh that is inside out is used with a warning: both sides of a face are
    rendered, the shading alone may look odd.
    """
    try:
        with np.errstate(all="ignore"):  # what overflows is named below
            return _check(path)
    except (OSError, struct.error, *_WRONG) as error:
        reason = f"its header cannot be read: {error}; export it again"
        return FileCheck(errors=(reason,))


def _check(path: Path) -> FileCheck:
    if not path.is_file():
        return FileCheck(errors=("there is no such file",))
    try:
        mesh = _read(path)
    except ValueError as error:
        return FileCheck(errors=(str(error),))
    corners = _corners(mesh)
    if unusable := _shape_error(corners) or _glb_error(path):
        return FileCheck(errors=(unusable,))
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    warnings = [*_flat(high - low), *_turned_inwards(mesh), *_missing_files(path)]
    return FileCheck((), tuple(warnings), _vector(low), _vector(high))


def _vector(values: Array) -> Vector3:
    x, y, z = values.tolist()
    return x, y, z


def _corners(mesh: "trimesh.Trimesh") -> Array:
    """The triangles (n, 3, 3), without those that name a vertex twice.

    Blender drops these, so they are no part of the picture.
    """
    faces = np.asarray(mesh.faces, dtype=np.int64).reshape(-1, 3)
    proper = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    corners: Array = np.asarray(mesh.vertices, dtype=np.float64)[faces[proper]]
    return corners


def _shape_error(corners: Array) -> str | None:
    """What is wrong with triangles (n, 3, 3) that no picture can show."""
    if not len(corners):
        return "the mesh is empty: it has no faces; export it with its faces"
    if not np.isfinite(corners).all():
        return "a vertex is not finite (NaN or infinite); export it again"
    extents = np.ptp(corners, axis=(0, 1))
    if np.count_nonzero(extents > _FLAT * extents.max()) < 2:
        return "the mesh has no extent: its faces fall into a point or a line"
    # Blender counts in single precision; NaN beyond its range
    step = np.spacing(np.float32(np.abs(corners).max()))
    if not step <= _ROUGHEST * extents.max():
        return (
            "its coordinates are too far from the origin for its size, or too large "
            "or small for Blender: move it to the origin, at a size of some metres"
        )
    return None


def _glb_error(path: Path) -> str | None:
    """What a GLB file asks for that is not read."""
    if path.suffix.lower() != ".glb":
        return None
    header = _glb_header(path)
    if "scene" not in header and len(header.get("scenes", [])) > 1:
        return "it has several scenes and says not which to show: export one"
    if unread := sorted({*header.get("extensionsRequired", [])} - _EXTENSIONS):
        return f"it requires {', '.join(unread)}, not read here: export it without"
    return None


def _flat(extents: Array) -> list[str]:
    if extents.min() > _FLAT * extents.max():
        return []
    return [f"the mesh is flat: no extent along {'xyz'[int(extents.argmin())]}"]


def _turned_inwards(mesh: "trimesh.Trimesh") -> list[str]:
    """Flipped normals; only a closed surface has an inside to tell them by."""
    closed = mesh.copy()
    closed.merge_vertices(merge_tex=True, merge_norm=True)
    if not closed.is_watertight:
        return []
    if not closed.is_winding_consistent:
        return ["some faces point inwards, others outwards: recalculate the normals"]
    if closed.volume < 0:
        return ["all faces point inwards: the normals are flipped, turn them around"]
    return []


def _missing_files(path: Path) -> list[str]:
    return [
        f"the {'material file' if file.suffix == '.mtl' else 'texture'} "
        f"{os.path.relpath(file, path.parent)} that it names is missing: it is "
        "rendered without"
        for file in named_files(path)
        if not file.is_file()
    ]


def named_files(path: Path) -> list[Path]:
    """The material files and textures that a mesh file refers to, there or not."""
    if path.suffix.lower() == ".glb":
        return [path.parent / uri for uri in _image_uris(path)]
    materials = [path.parent / name for name in _found(_MATERIAL_FILE, path)]
    textures = [
        material.parent / _without_options(text)
        for material in materials
        if material.is_file()
        for text in _found(_TEXTURE, material)
    ]
    return list(dict.fromkeys([*materials, *textures]))


def _found(pattern: re.Pattern[str], path: Path) -> list[str]:
    names = pattern.findall(path.read_text(encoding="utf-8", errors="replace"))
    return [name.replace("\\", "/") for name in names]


def _without_options(text: str) -> str:
    """The name in ``map_Kd -s 1 1 1 wood.png``; a name alone may hold spaces."""
    return text.rsplit(maxsplit=1)[-1] if text.startswith("-") else text


def _image_uris(path: Path) -> list[str]:
    """The images that lie beside a GLB file instead of in it."""
    uris = [image.get("uri", "data:") for image in _glb_header(path).get("images", [])]
    return [unquote(uri) for uri in uris if not uri.startswith("data:")]


def _glb_header(path: Path) -> dict[str, Any]:
    """The JSON of a GLB file, in its first chunk."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<I", file.read(20)[12:16])
        text = file.read(min(length, path.stat().st_size))
    header: dict[str, Any] = json.loads(text)
    return header
