"""Assets of a folder: a ShapeNetCore.v2 tree, or any OBJ and GLB files.

A ShapeNet tree holds ``<synset>/<model>/models/model_normalized.obj``. Any other folder
holds a ``manifest.json``, a list with one object for each model::

    [{"id": "red", "category": "chair", "path": "chairs/red.obj",
      "scale": 0.01, "up": "+z", "forward": "-y"}]

``scale`` (1 where not given) is a positive number, or three along the file's x, y, z.
One number for all three changes nothing in the end: each asset is brought to a diagonal
of 1. ``up`` and ``forward`` are axes of the file's coordinates. Not given, up is ``+y``
and forward is ``-z`` for OBJ (ShapeNet's and Blender's habit) and ``+z`` for GLB (what
the glTF standard says).
"""

import json
import math
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from igllm_pipelines.assets.catalog import (
    Asset,
    AssetError,
    AssetsConfig,
    Catalog,
    Matrix4,
    Problem,
    Vector3,
    hold_out,
)
from igllm_pipelines.assets.files import SUFFIXES
from igllm_pipelines.assets.index import FileIndex
from igllm_pipelines.assets.mesh import Array, normalizing_matrix

SYNSETS = {
    "04256520": "sofa",
    "03001627": "chair",
    "04379243": "table",
    "02691156": "airplane",
}
MANIFEST = "manifest.json"
THINNEST = 1e-3
"""Extent along the thin axis of a flat asset, since a scene's boxes have a volume."""

_NAME = "[A-Za-z0-9_-]+"  # it stands in programs, between quotes
_KEYS = {"id", "category", "path", "scale", "up", "forward"}


@dataclass(frozen=True)
class Entry:
    """A model that a folder names.

    Attributes:
        id: ``<category>_<name>``.
        category: ``chair``.
        path: of its file below the root.
        scale: of the file's x, y, z.
        up: the file's axis that points up: ``+y``.
        forward: the file's axis that points forward: ``-z``.
    """

    id: str
    category: str
    path: str
    scale: Vector3 = (1.0, 1.0, 1.0)
    up: str = "+y"
    forward: str = "-z"


def folder_catalog(config: AssetsConfig) -> Catalog:
    """The catalog of a folder; what is broken is named in it and left out.

    Raises:
        AssetError: there is no such folder, it is neither a ShapeNet tree nor has a
            valid manifest, or a category has no usable model.
    """
    root = Path(config.root or "")
    entries, problems = _named_models(root)
    index = FileIndex(root)
    assets: list[Asset] = []
    for category in config.categories:
        found, wrong = _import(root, _of(category, entries), index, config.per_category)
        problems += wrong
        if not found:
            index.save()
            raise AssetError(_nothing_found(root, category, problems))
        assets += hold_out(found, config.held_out)
    index.save()
    return Catalog(tuple(sorted(assets, key=lambda a: a.id)), tuple(problems))


def folder_categories(root: Path) -> tuple[str, ...]:
    """The categories of the models that a folder names, sorted.

    Raises:
        AssetError: it names none, or cannot be read, see `folder_catalog`.
    """
    entries, problems = _named_models(root)
    if not entries:
        reasons = "".join(f"\n  {p.id} ({p.path}): {p.reason}" for p in problems[:5])
        raise AssetError(f"{root} names no model{reasons}")
    return tuple(sorted({entry.category for entry in entries}))


def _nothing_found(root: Path, category: str, problems: list[Problem]) -> str:
    reasons = "".join(f"\n  {p.path}: {p.reason}" for p in problems[:5] if p.fatal)
    return (
        f"{root} has no usable {category}: add one, or take {category} out of "
        f"assets.categories{reasons}"
    )


def _of(category: str, entries: list[Entry]) -> list[Entry]:
    chosen = [entry for entry in entries if entry.category == category]
    return sorted(chosen, key=lambda entry: entry.id)


def _import(
    root: Path, entries: list[Entry], index: FileIndex, limit: int | None
) -> tuple[list[Asset], list[Problem]]:
    """The first `limit` usable models; reads no more files than that takes."""
    assets: list[Asset] = []
    problems: list[Problem] = []
    for entry in entries:
        if limit is not None and len(assets) == limit:
            break
        check = index.check(entry.path)
        for fatal, reasons in ((True, check.errors), (False, check.warnings)):
            problems += [Problem(entry.id, entry.path, r, fatal) for r in reasons]
        if check.low is not None and check.high is not None:
            assets.append(_asset(root, entry, check.low, check.high))
    return assets, problems


def _asset(root: Path, entry: Entry, low: Vector3, high: Vector3) -> Asset:
    turn = _turn(entry.up, entry.forward) * entry.scale
    corners = np.array([low, high]) @ turn.T
    box = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    object_from_file = normalizing_matrix(*box)
    extents = object_from_file[0, 0] * np.ptp(corners, axis=0)
    object_from_file[:3, :3] @= turn
    x, y, z = np.maximum(extents, THINNEST).tolist()
    return Asset(
        id=entry.id,
        category=entry.category,
        extents=(x, y, z),
        path=str(root / entry.path),
        object_from_file=_rows(object_from_file),
    )


def _rows(matrix: Array) -> Matrix4:
    a, b, c, d = (tuple(row) for row in matrix.tolist())
    return a, b, c, d


def _turn(up: str, forward: str) -> Array:
    """3x3 from file axes to x right, y forward, z up."""
    return np.stack([np.cross(_axis(forward), _axis(up)), _axis(forward), _axis(up)])


def _axis(name: str) -> Array:
    sign = 1.0 if name[0] == "+" else -1.0
    return sign * np.eye(3)["xyz".index(name[1])]


def _named_models(root: Path) -> tuple[list[Entry], list[Problem]]:
    if not root.is_dir():
        raise AssetError(f"assets.root {root} is no folder")
    if (root / MANIFEST).is_file():
        return _read_manifest(root / MANIFEST)
    if not any((root / synset).is_dir() for synset in SYNSETS):
        raise AssetError(
            f"{root} has no {MANIFEST}, and none of ShapeNet's folders "
            f"{', '.join(SYNSETS)}: write a manifest, or unpack ShapeNetCore.v2 there"
        )
    return _read_shapenet(root)


def _read_shapenet(root: Path) -> tuple[list[Entry], list[Problem]]:
    entries: list[Entry] = []
    problems: list[Problem] = []
    for synset, category, model in _shapenet_models(root):
        asset_id = f"{category}_{model}"
        path = f"{synset}/{model}/models/model_normalized.obj"
        try:
            _check_name("name", model, _NAME)
            entries.append(Entry(asset_id, category, path))
        except ValueError as error:
            problems.append(Problem(asset_id, path, str(error)))
    return entries, problems


def _shapenet_models(root: Path) -> Iterator[tuple[str, str, str]]:
    """Synset, category and name of each folder that should hold a model."""
    for synset, category in SYNSETS.items():
        folder = root / synset
        models = sorted(folder.iterdir()) if folder.is_dir() else []
        yield from ((synset, category, m.name) for m in models if m.is_dir())


def _read_manifest(path: Path) -> tuple[list[Entry], list[Problem]]:
    try:
        items = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AssetError(f"{path} is no valid JSON: {error}") from error
    if not isinstance(items, list):
        raise AssetError(f"{path} must be a list of models, it is a {type(items)}")
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    for number, item in enumerate(items):
        try:
            entry = _entry(item)
            if entry.id in entries:
                raise ValueError("its id is there twice: the first one is used")
            entries[entry.id] = entry
        except ValueError as error:
            problems.append(_problem(number, item, str(error)))
    return [*entries.values()], problems


def _problem(number: int, item: object, reason: str) -> Problem:
    known = item if isinstance(item, dict) else {}
    name = f"{known.get('category')}_{known['id']}" if "id" in known else f"#{number}"
    return Problem(name, str(known.get("path", MANIFEST)), reason)


def _entry(item: object) -> Entry:
    """Reads one object of the manifest.

    Raises:
        ValueError: says what is wrong with it.
    """
    if not isinstance(item, dict):
        raise ValueError("an entry of the manifest must be an object")
    missing = {"id", "category", "path"} - set(item)
    unknown = set(item) - _KEYS
    if missing or unknown:
        which = f"lacks {sorted(missing)}" if missing else f"has {sorted(unknown)}"
        raise ValueError(f"the manifest's entry {which}, it takes {sorted(_KEYS)}")
    name, category = str(item["id"]), str(item["category"])
    _check_name("id", name, _NAME)
    # the category of an id is what stands before its first underscore
    _check_name("category", category, "[A-Za-z0-9-]+")
    path = _path_inside(str(item["path"]))
    up = item.get("up", "+y")
    forward = item.get("forward", "-z" if path.lower().endswith(".obj") else "+z")
    _check_axes(up, forward)
    scale = _scale(item.get("scale", 1))
    return Entry(f"{category}_{name}", category, path, scale, up, forward)


def _check_name(what: str, name: str, letters: str) -> None:
    if not re.fullmatch(letters, name):
        raise ValueError(f"the {what} {name!r} may hold only {letters[:-1]}")


def _path_inside(path: str) -> str:
    clean = posixpath.normpath(path)
    if posixpath.isabs(clean) or clean.split("/")[0] == "..":
        raise ValueError(f"the path {path} leaves the folder: copy the file into it")
    if not clean.lower().endswith(SUFFIXES):
        raise ValueError(f"the path {path} ends in none of {', '.join(SUFFIXES)}")
    return clean


def _check_axes(up: object, forward: object) -> None:
    for name, axis in (("up", up), ("forward", forward)):
        if not isinstance(axis, str) or not re.fullmatch("[+-][xyz]", axis):
            raise ValueError(f"{name} must be an axis like +y or -z, it is {axis!r}")
    if str(up)[1] == str(forward)[1]:
        raise ValueError(f"up {up} and forward {forward} must be perpendicular")


def _scale(value: Any) -> Vector3:
    numbers = value if isinstance(value, list) else [value] * 3
    valid = len(numbers) == 3 and all(
        isinstance(n, int | float) and not isinstance(n, bool) and 0 < n < math.inf
        for n in numbers
    )
    if not valid:
        raise ValueError(
            f"scale must be a positive number, or three of them, it is {value!r}"
        )
    x, y, z = map(float, numbers)
    return x, y, z
