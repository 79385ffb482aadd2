"""How an instance gets its looks: a combination of styles, and proportions."""

from collections.abc import Mapping, Sequence
from math import gcd, prod

import numpy as np

MAX_INSTANCES = 100
_GOLDEN = 0.618033988749895


def combination(index: int, styles: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The `index`-th combination of styles: no two of the first `prod` are alike.

    Neighbours differ in most styles: the combinations are walked through in steps of
    the golden section.

    >>> combination(1, {"top": ("round", "square"), "base": ("legs", "post", "box")})
    {'top': 'square', 'base': 'box'}
    """
    total = prod(len(words) for words in styles.values())
    step = round(total * _GOLDEN)
    while gcd(step, total) > 1:
        step += 1
    code = index * step % total
    chosen = {}
    for name, words in styles.items():
        code, which = divmod(code, len(words))
        chosen[name] = words[which]
    return chosen


class Proportions:
    """Draws the sizes of one instance: always the same for category and index."""

    def __init__(self, category: str, index: int) -> None:
        self._rng = np.random.default_rng([*category.encode(), index])

    def between(self, low: float, high: float) -> float:
        """A number of the range."""
        return float(self._rng.uniform(low, high))

    def count(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return int(self._rng.integers(low, high + 1))
