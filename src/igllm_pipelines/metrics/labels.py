"""Label files straight into a table of objects, without a `Scene` for each image.

What is unusual in a file, wrong labels above all, is read by `scene.labels`, whose
errors say where and what to do.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from igllm_pipelines.metrics.table import (
    FloatArray,
    ObjectTable,
    WordArray,
    as_table,
    starts_of,
)
from igllm_pipelines.scene import read_labels
from igllm_pipelines.scene.program import WORD_ATTRIBUTES
from igllm_pipelines.scene.rotations import (
    from_representation,
    normalize_quat,
    quat_from_yaw,
)

Record = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Labels:
    """The true scenes of a file.

    Attributes:
        images: name of each scene's image.
        objects: of the scenes.
    """

    images: tuple[str, ...]
    objects: ObjectTable

    def has(self, attribute: str) -> bool:
        """Whether an object has the word attribute, ``category`` or ``rotation``.

        Shapes have categories where one is named ``<category>_<instance>``.
        """
        if attribute == "rotation":
            return bool(np.isfinite(self.objects.rotation).any())
        if attribute == "category":
            return bool(np.any(np.char.find(self.objects.words["shape"], "_") > 0))
        return bool(np.any(self.objects.words[attribute] != ""))


def read_label_table(path: Path, *, yaw: str = "stated") -> Labels:
    """Reads a label file, official or ours.

    Args:
        path: of the file.
        yaw: how a yaw without a quaternion is read, see `scene.labels`.

    Raises:
        LabelError: see `scene.labels.read_labels`.
    """
    labels = None
    if path.is_file():
        try:
            labels = _labels(json.loads(path.read_text(encoding="utf-8")), yaw)
        except (AttributeError, KeyError, TypeError, ValueError):
            labels = None
    if labels is not None:
        return labels
    scenes = read_labels(path, yaw=yaw)
    return Labels(tuple(s.image_filename for s in scenes), as_table(scenes))


def _labels(content: Any, yaw: str) -> Labels:
    """Raises an error of any kind where a label is not as usual."""
    scenes = content["scenes"] if isinstance(content, dict) else content
    images = tuple(scene["image_filename"] for scene in scenes)
    if len(set(images)) < len(images) or not all(isinstance(i, str) for i in images):
        raise ValueError("image names")
    objects = [obj for scene in scenes for obj in scene["objects"]]
    location = np.array([o["3d_coords"] for o in objects], np.float64).reshape(-1, 3)
    if len(location) != len(objects) or not np.isfinite(location).all():
        raise ValueError("locations")
    return Labels(
        images,
        ObjectTable(
            starts_of([len(scene["objects"]) for scene in scenes]),
            np.ones(len(images), dtype=np.bool_),
            location,
            _rotations(objects, yaw),
            {name: _words(objects, name) for name in WORD_ATTRIBUTES},
        ),
    )


def _words(objects: Sequence[Record], name: str) -> WordArray:
    words = [obj.get(name, "") for obj in objects]
    if not all(isinstance(word, str) for word in set(words)):
        raise ValueError("words")
    return np.asarray(words, dtype=np.str_)


def _rotations(objects: Sequence[Record], yaw: str) -> FloatArray:
    """Unit quaternions ``(objects, 4)`` of what each label states, else NaN."""
    quats = np.full((len(objects), 4), np.nan)
    given: dict[str, tuple[list[int], list[Any]]] = {
        kind: ([], []) for kind in ("quat", "euler", "yaw")
    }
    for index, obj in enumerate(objects):
        value = obj.get("rotation_quat")
        kind = "quat"
        if value is None:
            value = obj.get("rotation")
            kind = "euler" if isinstance(value, list) else "yaw"
        if value is not None:
            given[kind][0].append(index)
            given[kind][1].append(value)
    for kind, (rows, values) in given.items():
        if rows:
            quats[rows] = _quats(kind, np.array(values, dtype=np.float64), yaw)
    return quats


def _quats(kind: str, values: FloatArray, yaw: str) -> FloatArray:
    if kind == "quat":
        return normalize_quat(values)
    if kind == "euler":
        return from_representation(values, "euler")
    return quat_from_yaw(values if yaw == "rendered" else np.radians(values))
