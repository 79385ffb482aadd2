"""Training sequences from token tables: order shuffled, synonyms drawn, batches padded.

Nothing here tokenizes: token runs are only re-ordered.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

IGNORE = -100


class TokenSequence(NamedTuple):
    """One sequence, all arrays of one length.

    ``ids``: what follows the image: question, answer, end.
    ``labels``: the same ids where there is a loss, else -100; not shifted.
    ``numbers``: the value at each ``[NUM]``, else 0.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    numbers: NDArray[np.float32]


class ProgramTokens:
    """The token table of one split.

    Attributes:
        header: the encoding, and the ids that all rows share.
        images: file names, one a row.
        encoding: ``char`` or ``float``.
        prefix_ids: what stands before the image, the same for every row.
        question_ids: what stands between the image and the answer.
        num_id, pad_id: ids of ``[NUM]`` and of the padding.
    """

    def __init__(self, table: pa.Table) -> None:
        header = json.loads(table.schema.metadata[b"igllm"])
        self.table = table
        self.header: dict[str, Any] = header
        self.images: list[str] = table["image"].to_pylist()
        self.encoding: str = header["encoding"]
        self.prefix_ids: list[int] = header["prefix"]
        self.question_ids: list[int] = header["question"]
        self.num_id: int = header["num"]
        self.pad_id: int = header["pad"]
        self._head: list[int] = header["question"] + header["answer_open"]
        self._tail: list[int] = header["answer_close"]
        self._add: list[int] = header["add"]
        # runs by their place: inside a line, at its end; then those that begin a line
        self._places = ("middle", "last")
        self._first_places = ("first", "only") if header.get("spaced") else self._places
        self._objects = table["objects"]

    @classmethod
    def open(cls, path: Path) -> "ProgramTokens":
        """Maps an Arrow file into memory."""
        with pa.memory_map(str(path)) as source:
            return cls(pa.ipc.open_file(source).read_all())

    def __len__(self) -> int:
        return len(self.images)

    def program(self, index: int) -> str:
        """The canonical program text of a row."""
        return str(self.table["program"][index].as_py())

    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row's canonical program, question and end included."""
        objects = self.table["objects"].combine_chunks()
        attributes = objects.values
        runs = attributes.values
        first, last = np.zeros((2, len(runs)), dtype=bool)
        first[attributes.offsets.to_numpy()[:-1]] = True
        last[attributes.offsets.to_numpy()[1:] - 1] = True
        of_place = {
            name: _first_runs(runs.field(name))
            for name in {*self._places, *self._first_places}
        }
        inner, outer = (
            np.where(last, of_place[at_end], of_place[inside])
            for inside, at_end in (self._places, self._first_places)
        )
        tokens = np.where(first, outer, inner)
        per_object = _sums(tokens, attributes) + len(self._add)
        return _sums(per_object, objects) + len(self._head) + len(self._tail)

    def all_numbers(self) -> NDArray[np.float32]:
        """Every number of every program, row after row."""
        attributes = self._objects.combine_chunks().flatten().flatten()
        numbers: NDArray[np.float32] = attributes.field("numbers").flatten().to_numpy()
        return numbers.copy()  # torch takes no memory-mapped, read-only arrays

    def sequence(
        self,
        index: int,
        rng: np.random.Generator | None,
        *,
        shuffle_attributes: bool = True,
        draw_synonyms: bool = True,
    ) -> TokenSequence:
        """The sequence of a row.

        Args:
            index: of the row.
            rng: draws order and synonyms; None gives the canonical program.
            shuffle_attributes: an order of attributes is drawn for each object.
            draw_synonyms: a spelling is drawn for each word.
        """
        ids, numbers = list(self._head), []
        for attributes in self._objects[index].as_py():
            ids += self._add
            order = range(len(attributes))
            if rng is not None and shuffle_attributes:
                order = rng.permutation(len(attributes)).tolist()
            for place, which in enumerate(order, start=1):
                attribute = attributes[which]
                places = self._first_places if place == 1 else self._places
                runs = attribute[places[place == len(attributes)]]
                pick = 0
                if rng is not None and draw_synonyms and len(runs) > 1:
                    pick = int(rng.integers(len(runs)))
                ids += runs[pick]
                numbers += attribute["numbers"]
        return self._finish(np.asarray(ids + self._tail, dtype=np.int64), numbers)

    def _finish(self, ids: NDArray[np.int64], numbers: list[float]) -> TokenSequence:
        labels = ids.copy()
        labels[: len(self.question_ids)] = IGNORE
        values = np.zeros(len(ids), dtype=np.float32)
        values[ids == self.num_id] = numbers
        return TokenSequence(ids, labels, values)


def _first_runs(spellings: pa.ListArray) -> NDArray[np.int64]:
    """Tokens of the first spelling of each attribute."""
    tokens = np.diff(spellings.values.offsets.to_numpy())
    return tokens[spellings.offsets.to_numpy()[:-1]]


def _sums(values: NDArray[np.int64], lists: pa.ListArray) -> NDArray[np.int64]:
    """Sums of consecutive values, as many for each list as it has entries."""
    totals = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    offsets = lists.offsets.to_numpy()
    return totals[offsets[1:]] - totals[offsets[:-1]]


def collate(sequences: Sequence[TokenSequence], pad_id: int) -> dict[str, Any]:
    """Pads sequences on the right.

    Returns:
        torch tensors ``(batch, tokens)``: ``input_ids`` and ``labels`` (int64),
        ``attention_mask`` (bool), ``numbers`` (float32).
    """
    import torch

    shape = (len(sequences), max(len(s.ids) for s in sequences))
    ids = torch.full(shape, pad_id, dtype=torch.int64)
    labels = torch.full(shape, IGNORE, dtype=torch.int64)
    numbers = torch.zeros(shape, dtype=torch.float32)
    mask = torch.zeros(shape, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        length = len(sequence.ids)
        ids[row, :length] = torch.from_numpy(sequence.ids)
        labels[row, :length] = torch.from_numpy(sequence.labels)
        numbers[row, :length] = torch.from_numpy(sequence.numbers)
        mask[row, :length] = True
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "labels": labels,
        "numbers": numbers,
    }
