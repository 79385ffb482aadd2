"""How the next token of each row is chosen."""

from typing import NamedTuple, Protocol

from jaxtyping import Float, Int64
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
    tokens: Int64[Tensor, " rows"]


class Search(Protocol):
    """A way to choose tokens."""

    @property
    def rows_per_image(self) -> int:
        """Most rows of one image."""
        ...

    def grow(
        self,
        logits: Float[Tensor, "rows vocabulary"],
        normalisers: Float[Tensor, " rows"],
        rows: list[Row],
    ) -> Growth:
        """Each row goes on by one token.

        Args:
            logits: of the next token; -inf where one is masked.
            normalisers: logarithm of the sum of their exponentials without the mask.
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
        normalisers: Float[Tensor, " rows"],
        rows: list[Row],
    ) -> Growth:
        """See `Search`."""
        if self._sampler is None:
            tokens = logits.argmax(dim=-1)
        else:
            tokens = self._sampler.choose(logits, [row.rng for row in rows if row.rng])
        chosen = logits.gather(1, tokens[:, None])[:, 0] - normalisers
        for row, token, value in zip(
            rows, tokens.tolist(), chosen.tolist(), strict=True
        ):
            row.say(token, value, end_id=self._end_id, max_tokens=self._max_tokens)
        return Growth(rows, None, tokens)

    def settle(self, rows: list[Row]) -> list[tuple[int, Answer]]:
        """See `Search`."""
        return [(row.image, row.answer) for row in rows if row.ended]
