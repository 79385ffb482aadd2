"""Batches of training pictures with the true segments, words and places."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from igllm_pipelines.baselines.ns_vqa.detector import Segments
from igllm_pipelines.baselines.ns_vqa.masks import Masks, boxes_of, object_masks
from igllm_pipelines.scene.scene import Scene, SceneObject

Vocabulary = Mapping[str, tuple[str, ...]]

MIN_PIXELS = 10  # of an object that is learned
_DIGEST_IMAGES = 16


class Pictures(Protocol):
    """Where the pictures of a split come from."""

    def batch(self, split: str, filenames: Sequence[str]) -> NDArray[np.uint8]:
        """Pictures ``(batch, height, width, 3)``."""


class Batch(NamedTuple):
    """What one step learns from; objects stand picture by picture.

    ``pictures``: ``(batch, 3, height, width)`` in [0, 1].
    ``segments``: true ones of each picture, scores 1.
    ``words``: ``(objects, attributes)``, index into the vocabulary.
    ``location``: ``(objects, 3)``, world metres.
    ``names``: of the pictures.
    """

    pictures: Tensor
    segments: list[Segments]
    words: Tensor
    location: Tensor
    names: list[str]


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """Pictures ``(batch, height, width, 3)`` as the networks take them."""
    return torch.from_numpy(pictures).movedim(-1, 1).to(torch.float32) / 255


class TrainingBatches:
    """Batches in an order that the seed fixes; masks are made when they are needed.

    Args:
        scenes: of the split, with camera, all objects with size, words and location.
        pictures: of the scenes.
        split: name of the split.
        vocabulary: the words of each attribute that is learned.
        seed: of the order.

    Raises:
        ValueError: an object lacks what is learned.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        pictures: Pictures,
        split: str,
        vocabulary: Vocabulary,
        seed: int,
    ) -> None:
        self._scenes = list(scenes)
        self._pictures = pictures
        self._split = split
        self._seed = seed
        self._labels = [_labels(scene, vocabulary) for scene in scenes]
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.arange(0))

    def batch(self, step: int, size: int) -> Batch:
        """What the step learns from.

        Raises:
            ValueError: no object of it can be seen.
        """
        rows = [self._row(step * size + i) for i in range(size)]
        names = [self._scenes[row].image_filename for row in rows]
        segments, words, location = [], [], []
        for row in rows:
            masks = object_masks(self._scenes[row])
            seen = masks.sum(axis=(1, 2)) >= MIN_PIXELS
            segments.append(_segments(masks[seen]))
            words.append(self._labels[row][0][seen])
            location.append(self._labels[row][1][seen])
        if not sum(map(len, words)):
            raise ValueError(f"no object can be seen in images {', '.join(names)}")
        return Batch(
            to_tensor(self._pictures.batch(self._split, names)),
            segments,
            torch.from_numpy(np.concatenate(words)),
            torch.from_numpy(np.concatenate(location)),
            names,
        )

    def _row(self, place: int) -> int:
        """One permutation after the other."""
        epoch, index = divmod(place, len(self._scenes))
        if self._order[0] != epoch:
            rng = np.random.default_rng((self._seed, epoch))
            self._order = (epoch, rng.permutation(len(self._scenes)))
        return int(self._order[1][index])

    def digest(self) -> str:
        """SHA-256 of all scenes, and of the pixels of the first pictures."""
        digest = hashlib.sha256(repr(self._scenes).encode())
        names = [scene.image_filename for scene in self._scenes[:_DIGEST_IMAGES]]
        digest.update(self._pictures.batch(self._split, names).tobytes())
        return digest.hexdigest()


def _segments(masks: Masks) -> Segments:
    return Segments(
        torch.from_numpy(boxes_of(masks)),
        torch.from_numpy(masks),
        torch.ones(len(masks)),
    )


def _labels(
    scene: Scene, vocabulary: Vocabulary
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Indices of words and locations of a scene's objects."""
    words = [
        [_index(scene, obj, name, known) for name, known in vocabulary.items()]
        for obj in scene.objects
    ]
    shape = (len(scene.objects), len(vocabulary))
    places = scene.locations()
    if not np.isfinite(places).all():
        raise ValueError(f"{scene.image_filename}: an object lacks its location")
    return np.asarray(words, dtype=np.int64).reshape(shape), places.astype(np.float32)


def _index(scene: Scene, obj: SceneObject, name: str, known: tuple[str, ...]) -> int:
    word = getattr(obj, name)
    if word not in known:
        raise ValueError(f"{scene.image_filename}: unknown {name} {word!r}")
    return known.index(word)
