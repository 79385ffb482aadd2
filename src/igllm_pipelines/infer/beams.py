"""Beam search: the likeliest of several answers that are written side by side."""

from collections import defaultdict
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from igllm_pipelines.infer.rows import Answer, Row
from igllm_pipelines.infer.search import Growth


@dataclass
class Candidate:
    """A row and the token that it may go on with."""

    parent: int
    token: int
    log_probability: float
    total: float


class Beams:
    """Several rows an image, of which the likeliest go on.

    An answer's score is its log-probability divided by the number of its tokens, end
    included, to the power of `length_penalty`. As in transformers' `generate` with
    ``early_stopping=False``, an image is done when it has `num_beams` complete answers
    and none that goes on scores better than the worst of them. The end token counts
    only among the `num_beams` likeliest of an image's candidates.

    Args:
        num_beams: rows of an image.
        end_id: the token that ends an answer.
        max_tokens: limit on the tokens of an answer.
        length_penalty: 0 for the likeliest answer, above to favour longer ones.
    """

    def __init__(
        self, num_beams: int, end_id: int, max_tokens: int, length_penalty: float
    ) -> None:
        self.rows_per_image = num_beams
        self._end_id = end_id
        self._max_tokens = max_tokens
        self._length_penalty = length_penalty
        self._complete: dict[int, list[tuple[float, Answer]]] = defaultdict(list)

    def grow(
        self,
        logits: Float[Tensor, "rows vocabulary"],
        log_probabilities: Float[Tensor, "rows vocabulary"],
        rows: list[Row],
    ) -> Growth:
        """See `Search`."""
        by_image: dict[int, list[Candidate]] = defaultdict(list)
        for candidate in self._candidates(logits, log_probabilities, rows):
            by_image[rows[candidate.parent].image].append(candidate)
        chosen = [c for found in by_image.values() for c in self._best(found)]
        tokens = [candidate.token for candidate in chosen]
        parents = [candidate.parent for candidate in chosen]
        grown = []
        for candidate in chosen:
            row = rows[candidate.parent].copy()
            row.say(
                candidate.token,
                candidate.log_probability,
                end_id=self._end_id,
                max_tokens=self._max_tokens,
            )
            grown.append(row)
        return Growth(grown, parents, tokens)

    def _candidates(
        self, logits: Tensor, log_probabilities: Tensor, rows: list[Row]
    ) -> list[Candidate]:
        count = min(2 * self.rows_per_image, logits.shape[1])
        best = logits.topk(count, dim=-1)
        values = log_probabilities.gather(1, best.indices)
        values.masked_fill_(best.values == -torch.inf, -torch.inf)
        found = zip(best.indices.tolist(), values.tolist(), strict=True)
        return [
            Candidate(parent, token, value, rows[parent].answer.log_probability + value)
            for parent, (tokens, values) in enumerate(found)
            for token, value in zip(tokens, values, strict=True)
            if value > -torch.inf
        ]

    def _best(self, candidates: list[Candidate]) -> list[Candidate]:
        """Those of an image that go on, and those that end well enough to be kept."""
        ordered = sorted(candidates, key=lambda c: -c.total)
        beams = self.rows_per_image
        going = [c for c in ordered if c.token != self._end_id][:beams]
        return going + [c for c in ordered[:beams] if c.token == self._end_id]

    def settle(self, rows: list[Row]) -> list[tuple[int, Answer]]:
        """See `Search`."""
        by_image: dict[int, list[Row]] = defaultdict(list)
        for row in rows:
            by_image[row.image].append(row)
            if row.ended:
                self._complete[row.image].append((self._score(row.answer), row.answer))
        return [
            (image, self._close(image, found))
            for image, found in by_image.items()
            if self._done(image, [row for row in found if not row.ended])
        ]

    def _score(self, answer: Answer) -> float:
        length = len(answer.ids) + answer.finished
        return float(answer.log_probability / length**self._length_penalty)

    def _done(self, image: int, going: list[Row]) -> bool:
        complete = sorted(self._complete[image], key=lambda found: -found[0])
        complete = complete[: self.rows_per_image]
        self._complete[image] = complete
        if not going:
            return True
        best = max(self._score(row.answer) for row in going)
        return len(complete) == self.rows_per_image and best <= complete[-1][0]

    def _close(self, image: int, rows: list[Row]) -> Answer:
        for row in rows:
            row.ended = True
        return self._complete.pop(image)[0][1]
