"""Label files straight into a table of objects, without a `Scene` for each image.

What is unusual in a file, wrong labels above all, is read by `scene.labels`, whose
errors say where and what to do.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, repeat
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from igllm_pipelines.metrics.table import (
    FloatArray,
    IntArray,
    ObjectTable,
    WordArray,
    as_table,
    characters,
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
Combination = tuple[Any, ...]
_Known = defaultdict[Combination, int]
_TOGETHER = 500  # scenes whose labels stay in the processor's cache
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
            return bool((characters(self.objects.words["shape"]) == ord("_")).any())
        return bool(np.any(self.objects.words[attribute] != ""))


def read_label_table(
    path: Path, *, yaw: str = "stated", rotations: bool = True
) -> Labels:
    """Reads a label file, official or ours.

    Args:
        path: of the file.
        yaw: how a yaw without a quaternion is read, see `scene.labels`.
        rotations: False where nothing will be asked about them, to save the time.

    Raises:
        LabelError: see `scene.labels.read_labels`.
    """
    labels = None
    if path.is_file():
        try:
            with paused_gc():
                content = json.loads(path.read_text(encoding="utf-8"))
            labels = label_table(content, yaw, rotations=rotations)
        except (
            *(AttributeError, KeyError, TypeError, ValueError),
            *(OSError, OverflowError, RecursionError),
        ):
            labels = None
    if labels is not None:
        return labels
    scenes = read_labels(path, yaw=yaw)
    return Labels(tuple(s.image_filename for s in scenes), as_table(scenes))


def label_table(content: Any, yaw: str = "stated", *, rotations: bool = True) -> Labels:
    """The table of a label file's content, see `read_label_table`.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: a label is not as usual.
    """
    with paused_gc():
        return _label_table(content, yaw if rotations else None)


def _label_table(content: Any, yaw: str | None) -> Labels:
    scenes = content["scenes"] if isinstance(content, dict) else content
    images = tuple(scene["image_filename"] for scene in scenes)
    if len(set(images)) < len(images) or not all(isinstance(i, str) for i in images):
        raise ValueError("image names")
    known = _Known(count().__next__)
    starts = range(0, max(len(scenes), 1), _TOGETHER)
    parts = [_gather(scenes[i : i + _TOGETHER], known, yaw) for i in starts]
    counts, location, said, rotation = map(np.concatenate, zip(*parts, strict=True))
    if not np.isfinite(location).all():
        raise ValueError("locations")
    parsed = np.ones(len(images), dtype=np.bool_)
    objects = ObjectTable(
        starts_of(counts), parsed, location, rotation, _words(known, said)
    )
    return Labels(images, objects)


def _gather(
    scenes: Sequence[Record], known: _Known, yaw: str | None
) -> tuple[IntArray, FloatArray, IntArray, FloatArray]:
    """Numbers of objects; each object's location, index of its words, quaternion."""
    objects = [obj for scene in scenes for obj in scene["objects"]]
    places = [obj["3d_coords"] for obj in objects]
    if not {*map(type, places)} <= {list} or not {*map(len, places)} <= {3}:
        raise ValueError("locations")
    numbers = np.fromiter(chain.from_iterable(places), np.float64, 3 * len(places))
    return (
        np.array([len(scene["objects"]) for scene in scenes], dtype=np.int64),
        numbers.reshape(-1, 3),
        _said(objects, known),
        _rotations(objects, yaw) if yaw else np.full((len(objects), 4), np.nan),
    )


def _said(objects: Sequence[Record], known: _Known) -> IntArray:
    """Index of each object's words among the combinations that are known."""

    def indices(combined: Iterable[Combination]) -> IntArray:
        return np.fromiter(map(known.__getitem__, combined), np.int64, len(objects))

    try:
        return indices(map(itemgetter(*WORD_ATTRIBUTES), objects))
    except KeyError:  # an object lacks an attribute
        names = WORD_ATTRIBUTES
        return indices(tuple(obj.get(n, "") for n in names) for obj in objects)


def _words(known: _Known, said: IntArray) -> dict[str, WordArray]:
    if not all(isinstance(word, str) for words in known for word in words):
        raise ValueError("words")
    columns = zip(*known, strict=True) if known else repeat(("",))
    return {
        name: np.asarray(column, dtype=np.str_)[said]
        for name, column in zip(WORD_ATTRIBUTES, columns, strict=False)
    }


def _rotations(objects: Sequence[Record], yaw: str) -> FloatArray:
    """Unit quaternions ``(objects, 4)`` of what each label states, else NaN."""
    angles = [obj.get("rotation") for obj in objects]
    stated = [obj.get("rotation_quat") for obj in objects]
    types = [*map(type, angles)]
    if {*map(type, stated)} - {type(None)}:
        types = [
            of_angle if quat is None else tuple
            for of_angle, quat in zip(types, stated, strict=True)
        ]
    if {*types} == {float}:  # CLEVR, as the official files state it
        return _quats("yaw", np.array(angles), yaw)
    quats = np.full((len(objects), 4), np.nan)
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
