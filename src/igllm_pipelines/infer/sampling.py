"""Tokens drawn at a temperature, the same ones whatever the batch."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor


class Sampler:
    """Draws each row's next token from ``softmax(logits / temperature)``.

    Args:
        temperature: above 0.
        seeds: one sequence of numbers a row; a row's draws depend on its own alone.
    """

    def __init__(self, temperature: float, seeds: Sequence[Sequence[int]]) -> None:
        if temperature <= 0:
            raise ValueError(f"temperature {temperature} must be positive")
        self._temperature = temperature
        self._rngs = [np.random.default_rng(list(seed)) for seed in seeds]

    def choose(
        self, logits: Float[Tensor, "rows vocabulary"]
    ) -> Int64[Tensor, " rows"]:
        """One token a row; one with a logit of -inf is never drawn."""
        likelihoods = (logits.double() / self._temperature).softmax(dim=-1).cumsum(-1)
        draws = torch.tensor([rng.random() for rng in self._rngs], dtype=torch.double)
        # the last sum may miss 1 by rounding
        points = draws[:, None].to(logits.device) * likelihoods[:, -1:]
        return torch.searchsorted(likelihoods, points, right=True)[:, 0]

    def select(self, rows: Sequence[int]) -> None:
        """The rows become these of before, in this order."""
        self._rngs = [self._rngs[row] for row in rows]
