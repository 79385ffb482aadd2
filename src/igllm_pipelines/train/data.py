"""The order of training samples, and batches of images with their programs.

What stands at place k of a run depends on the seed and on k alone: a resumed run goes
on with the very batches that an unbroken one would see.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from igllm_pipelines.model.vision import VisionSource
from igllm_pipelines.tokens.sequences import ProgramTokens, TokenSequence, collate


class Sample(NamedTuple):
    """One training sample; the image is read when the batch is put together."""

    image: str
    sequence: TokenSequence


class SampleOrder:
    """Which row stands at each place of a run: one permutation after the other.

    Args:
        num_rows: rows to draw from.
        seed: of the permutations.
    """

    def __init__(self, num_rows: int, seed: int) -> None:
        self._num_rows = num_rows
        self._seed = seed
        self._epoch = -1
        self._permutation: NDArray[np.int64] = np.arange(0)

    def row(self, place: int) -> int:
        """The row at a place of the run."""
        epoch, index = divmod(place, self._num_rows)
        if epoch != self._epoch:
            rng = np.random.default_rng((self._seed, 0, epoch))
            self._permutation = rng.permutation(self._num_rows)
            self._epoch = epoch
        return int(self._permutation[index])


class GroupedOrder:
    """An order in which programs of like length stand in one batch.

    Within each window of so many batches the rows are sorted by length and cut into
    batches, and the batches are shuffled. Batches are those of the whole run, so their
    number of places must be the global batch size.

    Args:
        order: what is regrouped.
        lengths: of the rows' programs, in tokens.
        batch_size: images a step.
        seed: of the order of batches.
        batches: of a window; more of them leave less padding.
    """

    def __init__(
        self,
        order: SampleOrder,
        lengths: NDArray[np.int64],
        batch_size: int,
        seed: int,
        *,
        batches: int = 50,
    ) -> None:
        self._order = order
        self._lengths = lengths
        self._shape = (batches, batch_size)
        self._seed = seed
        self._window = -1
        self._rows: NDArray[np.int64] = np.arange(0)

    def row(self, place: int) -> int:
        """The row at a place of the run."""
        window, index = divmod(place, math.prod(self._shape))
        if window != self._window:
            self._rows = self._regroup(window)
            self._window = window
        return int(self._rows[index])

    def _regroup(self, window: int) -> NDArray[np.int64]:
        size = math.prod(self._shape)
        places = range(window * size, (window + 1) * size)
        rows = np.array([self._order.row(place) for place in places])
        rows = rows[np.argsort(self._lengths[rows], kind="stable")]
        rng = np.random.default_rng((self._seed, 2, window))
        return rng.permutation(rows.reshape(self._shape)).reshape(-1)


class TrainingSamples(torch.utils.data.Dataset[Sample]):
    """All samples of a run, in their order.

    Args:
        tokens: the training split's.
        num_places: samples of the run, steps times batch size.
        num_rows: only the first so many rows are used.
        seed: of order, attribute shuffling and synonyms.
        shuffle_attributes, draw_synonyms: see `ProgramTokens.sequence`.
        group_by_length: None, or the global batch size: programs of like length share
            a batch, see `GroupedOrder`.
    """

    def __init__(
        self,
        tokens: ProgramTokens,
        num_places: int,
        num_rows: int,
        seed: int,
        *,
        shuffle_attributes: bool = True,
        draw_synonyms: bool = True,
        group_by_length: int | None = None,
    ) -> None:
        self._tokens = tokens
        self._num_places = num_places
        self._order: SampleOrder | GroupedOrder = SampleOrder(num_rows, seed)
        if group_by_length:
            lengths = tokens.lengths()[:num_rows]
            self._order = GroupedOrder(self._order, lengths, group_by_length, seed)
        self._seed = seed
        self._draw = {
            "shuffle_attributes": shuffle_attributes,
            "draw_synonyms": draw_synonyms,
        }

    def __len__(self) -> int:
        return self._num_places

    def __getitem__(self, place: int) -> Sample:
        row = self._order.row(place)
        rng = np.random.default_rng((self._seed, 1, place))
        sequence = self._tokens.sequence(row, rng, **self._draw)
        return Sample(self._tokens.images[row], sequence)


class BatchMaker:
    """Puts samples together into what `IGLLM.forward` takes.

    Args:
        vision: images or features.
        split: that the samples belong to.
        prefix_ids: what stands before the image.
        pad_id: id of the padding.

    The names of the images stand beside it under ``images``.
    """

    def __init__(
        self, vision: VisionSource, split: str, prefix_ids: Sequence[int], pad_id: int
    ) -> None:
        self._vision = vision
        self._split = split
        self._prefix = torch.tensor(list(prefix_ids), dtype=torch.int64)
        self._pad_id = pad_id

    def __call__(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """A batch."""
        images = [sample.image for sample in samples]
        batch = collate([sample.sequence for sample in samples], self._pad_id)
        del batch["attention_mask"]  # needless: rows are padded on the right
        vision = torch.from_numpy(self._vision.batch(self._split, images))
        return {
            **batch,
            "vision": vision,
            "prefix_ids": self._prefix,
            "images": images,
        }
