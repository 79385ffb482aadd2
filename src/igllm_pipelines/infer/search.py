"""How the next token of each row is chosen."""

from typing import NamedTuple, Protocol

from jaxtyping import Float
from torch import Tensor

from igllm_pipelines.infer.rows import Answer, Row
from igllm_pipelines.infer.sampling import Sampler


class Growth(NamedTuple):
    """Rows that went on by one token.

    Attributes:
        rows: they may be more or fewer than before.
        parents: place of the row that each continues, None where each stands where it
            stood.
        tokens: what each said.
    """

    rows: list[Row]
    parents: list[int] | None
    tokens: list[int]


class Search(Protocol):
    """A way to choose tokens."""

    @property
    def rows_per_image(self) -> int:
        """Most rows of one image."""
        ...

    def grow(
        self,
        logits: Float[Tensor, "rows vocabulary"],
        log_probabilities: Float[Tensor, "rows vocabulary"],
        rows: list[Row],
    ) -> Growth:
        """Each row goes on by one token.

        Args:
            logits: of the next token; -inf where one is masked.
            log_probabilities: of the next token without the mask.
            rows: so far.
        """
        ...

    def settle(self, rows: list[Row]) -> list[tuple[int, Answer]]:
        """The final answers of images, by their place; `rows` have read their numbers.

        All rows of such an image are marked as ended.
        """
        ...


class OneRow:
    """One row an image: the likeliest token, or a drawn one.

    Args:
        end_id: the token that ends an answer.
        max_tokens: limit on the tokens of an answer.
        sampler: draws the tokens, None for the likeliest ones.
    """

    rows_per_image = 1

    def __init__(
        self, end_id: int, max_tokens: int, sampler: Sampler | None = None
    ) -> None:
        self._end_id = end_id
        self._max_tokens = max_tokens
        self._sampler = sampler

    def grow(
        self,
        logits: Float[Tensor, "rows vocabulary"],
        log_probabilities: Float[Tensor, "rows vocabulary"],
        rows: list[Row],
    ) -> Growth:
        """See `Search`."""
        if self._sampler is None:
            chosen = logits.argmax(dim=-1)
        else:
            chosen = self._sampler.choose(logits, [row.rng for row in rows if row.rng])
        found = log_probabilities.gather(1, chosen[:, None])[:, 0].tolist()
        tokens: list[int] = chosen.tolist()
        for row, token, value in zip(rows, tokens, found, strict=True):
            row.say(token, value, end_id=self._end_id, max_tokens=self._max_tokens)
        return Growth(rows, None, tokens)

    def settle(self, rows: list[Row]) -> list[tuple[int, Answer]]:
        """See `Search`."""
        return [(row.image, row.answer) for row in rows if row.ended]
