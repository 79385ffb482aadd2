"""Label files straight into a table of objects, without a `Scene` for each image.

What is unusual in a file, wrong labels above all, is read by `scene.labels`, whose
errors say where and what to do.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from igllm_pipelines.metrics.table import (
    FloatArray,
    ObjectTable,
    WordArray,
    as_table,
    paused_gc,
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
# of the quaternions, which have their own field, and of the values of "rotation"
_KINDS = {tuple: "quat", list: "euler", float: "yaw", int: "yaw"}


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
            return any(
                "_" in shape for shape in {*self.objects.words["shape"].tolist()}
            )
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
            with paused_gc():
                content = json.loads(path.read_text(encoding="utf-8"))
            labels = label_table(content, yaw)
        except (
            *(AttributeError, KeyError, TypeError, ValueError),
            *(OSError, OverflowError, RecursionError),
        ):
            labels = None
    if labels is not None:
        return labels
    scenes = read_labels(path, yaw=yaw)
    return Labels(tuple(s.image_filename for s in scenes), as_table(scenes))


def label_table(content: Any, yaw: str = "stated") -> Labels:
    """The table of a label file's content.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: a label is not as usual.
    """
    with paused_gc():
        return _label_table(content, yaw)


def _label_table(content: Any, yaw: str) -> Labels:
    scenes = content["scenes"] if isinstance(content, dict) else content
    images = tuple(scene["image_filename"] for scene in scenes)
    if len(set(images)) < len(images) or not all(isinstance(i, str) for i in images):
        raise ValueError("image names")
    objects = [obj for scene in scenes for obj in scene["objects"]]
    places = [obj["3d_coords"] for obj in objects]
    if not {*map(type, places)} <= {list} or not {*map(len, places)} <= {3}:
        raise ValueError("locations")
    numbers = np.fromiter(chain.from_iterable(places), np.float64, 3 * len(places))
    location = numbers.reshape(-1, 3)
    if not np.isfinite(location).all():
        raise ValueError("locations")
    return Labels(
        images,
        ObjectTable(
            starts_of([len(scene["objects"]) for scene in scenes]),
            np.ones(len(images), dtype=np.bool_),
            location,
            _rotations(objects, yaw),
            _words(objects),
        ),
    )


def _words(objects: Sequence[Record]) -> dict[str, WordArray]:
    """The words of all attributes; objects share few combinations of them."""
    try:
        said = [*map(itemgetter(*WORD_ATTRIBUTES), objects)]
    except KeyError:
        said = [tuple(obj.get(n, "") for n in WORD_ATTRIBUTES) for obj in objects]
    known = {words: index for index, words in enumerate({*said})}
    if not all(isinstance(word, str) for words in known for word in words):
        raise ValueError("words")
    rows = np.fromiter(map(known.__getitem__, said), np.int64, len(said))
    columns = zip(*known, strict=True) if known else repeat(("",))
    return {
        name: np.asarray(column, dtype=np.str_)[rows]
        for name, column in zip(WORD_ATTRIBUTES, columns, strict=False)
    }


def _rotations(objects: Sequence[Record], yaw: str) -> FloatArray:
    """Unit quaternions ``(objects, 4)`` of what each label states, else NaN."""
    quats = np.full((len(objects), 4), np.nan)
    angles = [obj.get("rotation") for obj in objects]
    stated = [obj.get("rotation_quat") for obj in objects]
    types = [*map(type, angles)]
    if {*map(type, stated)} - {type(None)}:
        types = [
            of_angle if quat is None else tuple
            for of_angle, quat in zip(types, stated, strict=True)
        ]
    if {*types} == {float}:  # CLEVR, as the official files state it
        return _quats("yaw", np.fromiter(angles, np.float64, len(angles)), yaw)
    for of_type in {*types} - {type(None)}:
        chosen = [row for row, t in enumerate(types) if t is of_type]
        source = stated if of_type is tuple else angles
        values = [source[row] for row in chosen]
        array = np.array(values, dtype=np.float64)
        quats[chosen] = _quats(_KINDS[of_type], array, yaw)
    return quats


def _quats(kind: str, values: FloatArray, yaw: str) -> FloatArray:
    if kind == "quat":
        return normalize_quat(values)
    if kind == "euler":
        return from_representation(values, "euler")
    return quat_from_yaw(values if yaw == "rendered" else np.radians(values))
