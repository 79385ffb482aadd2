"""Answers that are being written: one a row of the batch."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Answer:
    """What the model said about one image.

    Attributes:
        ids: emitted tokens without the end token.
        numbers: the value of each ``[NUM]`` among them.
        stds: their standard deviations, empty where the head does not say.
        log_probability: of the emitted tokens, end included, without the mask.
        finished: the end token came before the limit.
        seconds: its share of the time of the batches that it was in.
    """

    ids: list[int] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    stds: list[float] = field(default_factory=list)
    log_probability: float = 0.0
    finished: bool = False
    seconds: float = 0.0

    def copy(self) -> "Answer":
        """An answer that can go on in another way."""
        return Answer(
            [*self.ids],
            [*self.numbers],
            [*self.stds],
            self.log_probability,
            self.finished,
            self.seconds,
        )


@dataclass
class Row:
    """A row of the batch.

    Attributes:
        image: place of its image among all that are asked for.
        answer: so far.
        rng: of the tokens that are drawn, None where none is.
        ended: it leaves the batch.
    """

    image: int
    answer: Answer
    rng: np.random.Generator | None = None
    ended: bool = False

    def say(
        self, token: int, log_probability: float, *, end_id: int, max_tokens: int
    ) -> None:
        """Goes on by one token; the end token and the limit end the row."""
        self.answer.log_probability += log_probability
        if token == end_id:
            self.answer.finished = self.ended = True
            return
        self.answer.ids.append(token)
        self.ended = len(self.answer.ids) >= max_tokens

    def copy(self) -> "Row":
        """A row of the same image that can go on in another way."""
        return Row(self.image, self.answer.copy(), self.rng, self.ended)


def arranged(parents: Sequence[int]) -> list[int]:
    """An order of rows in which as many as possible stand where their parent stood.

    Rows that stay need not be copied, and holes are filled from the end.

    Args:
        parents: place in the batch of before that each row continues.

    Returns:
        for each place in the new batch, which of the rows stands there.

    >>> arranged([0, 2, 3])
    [0, 2, 1]
    >>> arranged([1, 1, 1])
    [2, 0, 1]
    """
    places = [-1] * len(parents)
    others = []
    for row, parent in enumerate(parents):
        if parent < len(places) and places[parent] < 0:
            places[parent] = row
        else:
            others.append(row)
    return [row if row >= 0 else others.pop() for row in places]
