"""Tokens drawn at a temperature, the same ones whatever the batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class Sampler:
    """Draws each row's next token from ``softmax(logits / temperature)``.

    Attributes:
        temperature: above 0.
        top_k: only so many of the likeliest tokens are drawn, 0 for all. Tokens as
            likely as the last of them are drawn too.
        top_p: only the likeliest tokens are drawn, as few as have this probability
            together.
    """

    temperature: float
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"temperature {self.temperature} must be positive")

    def choose(
        self,
        logits: Float[Tensor, "rows vocabulary"],
        rngs: Sequence[np.random.Generator],
    ) -> Int64[Tensor, " rows"]:
        """One token a row; one with a logit of -inf is never drawn.

        Args:
            logits: of the next token.
            rngs: one a row; a row's draws depend on its own alone.
        """
        scaled = logits.double() / self.temperature
        if 0 < self.top_k < logits.shape[1]:
            scaled = likeliest(scaled, self.top_k)
        if self.top_p < 1:
            scaled = nucleus(scaled, self.top_p)
        likelihoods = scaled.softmax(dim=-1).cumsum(-1)
        draws = torch.tensor([rng.random() for rng in rngs], dtype=torch.double)
        # the last sum may miss 1 by rounding
        points = draws[:, None].to(logits.device) * likelihoods[:, -1:]
        return torch.searchsorted(likelihoods, points, right=True)[:, 0]


def likeliest(
    logits: Float[Tensor, "rows vocabulary"], count: int
) -> Float[Tensor, "rows vocabulary"]:
    """All logits but the `count` largest of each row become -inf."""
    smallest = logits.topk(count, dim=-1).values[:, -1:]
    return logits.masked_fill(logits < smallest, -torch.inf)


def nucleus(
    logits: Float[Tensor, "rows vocabulary"], probability: float
) -> Float[Tensor, "rows vocabulary"]:
    """Logits of the fewest tokens that have `probability` together, others -inf.

    The nucleus of "The Curious Case of Neural Text Degeneration" (Holtzman et al.,
    2020).
    """
    ordered, places = logits.sort(dim=-1, descending=True)
    likelihoods = ordered.softmax(dim=-1)
    before = likelihoods.cumsum(dim=-1) - likelihoods
    outside = torch.empty_like(before, dtype=torch.bool)
    outside.scatter_(1, places, before >= probability)
    return logits.masked_fill(outside, -torch.inf)
