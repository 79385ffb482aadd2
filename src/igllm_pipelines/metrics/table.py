"""The objects of many scenes as columns, so that metrics count all of them at once."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.scene import Scene
from igllm_pipelines.scene.program import WORD_ATTRIBUTES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
WordArray = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """Objects of a list of scenes, one row an object, scene after scene.

    Attributes:
        starts: ``(scenes + 1,)``; the objects of scene i are the rows from
            ``starts[i]`` up to ``starts[i + 1]``.
        parsed: ``(scenes,)``, False for an answer that does not parse; it has no rows.
        location: ``(objects, 3)``, NaN where an object has none.
        rotation: unit quaternions ``(objects, 4)``, NaN where an object has none.
        words: for each word attribute ``(objects,)``, empty where an object has none.
    """

    starts: IntArray
    parsed: BoolArray
    location: FloatArray
    rotation: FloatArray
    words: Mapping[str, WordArray]

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.parsed)

    @property
    def counts(self) -> IntArray:
        """Number of objects ``(scenes,)``."""
        return np.diff(self.starts)

    @property
    def scene(self) -> IntArray:
        """Index of the scene ``(objects,)``."""
        return np.repeat(np.arange(len(self)), self.counts)

    def rows(self, scene: IntArray, index: IntArray) -> IntArray:
        """Rows of objects that are named by scene and by index within it."""
        return self.starts[scene] + index


Scenes = ObjectTable | Sequence[Scene | None]


def as_table(scenes: Scenes) -> ObjectTable:
    """The table of a list of scenes; a table stays as it is.

    >>> from igllm_pipelines.scene import SceneObject
    >>> table = as_table([Scene((SceneObject(color="red"),)), None])
    >>> table.counts, table.parsed, table.words["color"]
    (array([1, 0]), array([ True, False]), array(['red'], dtype='<U3'))
    """
    if isinstance(scenes, ObjectTable):
        return scenes
    objects = [obj for scene in scenes if scene for obj in scene.objects]
    nowhere, unturned = (np.nan,) * 3, (np.nan,) * 4
    return ObjectTable(
        starts=starts_of([len(scene.objects) if scene else 0 for scene in scenes]),
        parsed=np.array([scene is not None for scene in scenes], dtype=np.bool_),
        location=_rows([o.location or nowhere for o in objects], 3),
        rotation=_rows([o.rotation or unturned for o in objects], 4),
        words={
            name: np.asarray([getattr(o, name) or "" for o in objects], dtype=np.str_)
            for name in WORD_ATTRIBUTES
        },
    )


def _rows(values: Sequence[Sequence[float]], width: int) -> FloatArray:
    return np.asarray(values, dtype=np.float64).reshape(-1, width)


def starts_of(counts: Sequence[int] | IntArray) -> IntArray:
    """Where each scene's rows begin, and behind the last where they end.

    >>> starts_of([2, 0, 3])
    array([0, 2, 2, 5])
    """
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def characters(words: WordArray) -> NDArray[np.uint32]:
    """Code points ``(words, longest)``, 0 behind the last one of a word.

    >>> characters(np.array(["ab", "c"]))
    array([[97, 98],
           [99,  0]], dtype=uint32)
    """
    return np.ascontiguousarray(words).view(np.uint32).reshape(len(words), -1)


def convert_rows(
    convert: Callable[[FloatArray], FloatArray], values: FloatArray, width: int
) -> FloatArray:
    """Converts rows at once; a row that `convert` refuses becomes NaN.

    Args:
        convert: ``(n, a)`` to ``(n, width)``; raises a ValueError where any row cannot
            be converted.
        values: rows ``(n, a)``; those that are not finite are not converted.
        width: columns of the result.
    """
    result = np.full((len(values), width), np.nan)
    parts = [np.flatnonzero(np.isfinite(values).all(axis=1))]
    while parts:
        part = parts.pop()
        if not len(part):
            continue
        try:
            result[part] = convert(values[part])
        except ValueError:  # halves find the row: few are wrong among many
            if len(part) > 1:
                parts += np.array_split(part, 2)
    return result


@contextmanager
def paused_gc() -> Iterator[None]:
    """Pauses the search for cycles while very many small objects are made.

    They hold no cycles, and looking through all of them again and again takes as long
    as making them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
