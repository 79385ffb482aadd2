"""How programs are decoded, as flat data; importing it costs nothing."""

import math
from dataclasses import dataclass

ORDERS = ("any", "canonical")


@dataclass(frozen=True)
class InferenceConfig:
    """Decoding.

    Attributes:
        batch_size: images at once; it changes no result.
        max_tokens: limit on the tokens of an answer; a program that reaches it keeps
            its whole lines.
        max_objects: limit on the lines of a program, under the grammar.
        grammar: tokens are masked by the program grammar, so that every output parses.
        attribute_order: under the grammar, ``any`` (the model chooses) or
            ``canonical``.
        temperature: 0 takes the likeliest token; above, tokens are drawn with logits
            divided by it. Numbers of a numeric head are never drawn.
        seed: of the draws; each image has its own, whatever the batch.
        num_samples: only the first so many images of each split, None for all.
        num_threads: torch threads, 0 for one a core.
    """

    batch_size: int = 32
    max_tokens: int = 512
    max_objects: int = 10
    grammar: bool = True
    attribute_order: str = "any"
    temperature: float = 0.0
    seed: int = 0
    num_samples: int | None = None
    num_threads: int = 0

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_tokens", "max_objects"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive")
        if not 0 <= self.temperature < math.inf:
            raise ValueError("temperature must be a number that is not negative")
        if self.seed < 0:
            raise ValueError("seed must not be negative")
        if self.num_samples is not None and self.num_samples < 1:
            raise ValueError("num_samples must be positive or null")
        if self.attribute_order not in ORDERS:
            raise ValueError(f"attribute_order {self.attribute_order!r}: {ORDERS}")
