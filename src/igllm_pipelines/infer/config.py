"""How programs are decoded, as flat data; importing it costs nothing."""

import math
from dataclasses import dataclass

ORDERS = ("any", "canonical")
PRECISIONS = ("stored", "float32", "bfloat16", "float16")


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
        top_k: only so many of the likeliest tokens are drawn, 0 for all.
        top_p: only the likeliest tokens are drawn, as few as have this probability
            together.
        num_beams: answers that are written side by side for an image, of which the
            best is taken; 1 for no beam search. Takes so many times the memory.
        length_penalty: of beam search: an answer's score is its log-probability,
            divided by the number of its tokens to this power.
        precision: of projector and language model, ``stored`` for as they were saved.
            Half of it decodes faster on a GPU; where two tokens are almost as likely,
            the batch may then decide.
        seed: of the draws; each image has its own, whatever the batch.
        num_samples: only the first so many images of each split, None for all.
        num_threads: torch threads of a process, 0 for one a core; of several processes
            on this machine, each has its share.
        workers: processes that predict at the same time, each with a copy of the model
            and a GPU where there is one; 0 for this process alone.
        chunk_size: images that are stored together while a run goes on.
    """

    batch_size: int = 32
    max_tokens: int = 512
    max_objects: int = 10
    grammar: bool = True
    attribute_order: str = "any"
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    num_beams: int = 1
    length_penalty: float = 1.0
    precision: str = "stored"
    seed: int = 0
    num_samples: int | None = None
    num_threads: int = 0
    workers: int = 0
    chunk_size: int = 256

    def __post_init__(self) -> None:
        counts = ("batch_size", "max_tokens", "max_objects", "num_beams", "chunk_size")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive")
        if not 0 <= self.temperature < math.inf:
            raise ValueError("temperature must be a number that is not negative")
        for name in ("seed", "top_k", "workers"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if not 0 < self.top_p <= 1:
            raise ValueError("top_p must be above 0 and at most 1")
        if not math.isfinite(self.length_penalty):
            raise ValueError("length_penalty must be finite")
        if self.num_beams > 1 and self.temperature:
            raise ValueError("num_beams: beams are not drawn, set temperature to 0")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision {self.precision!r}: {PRECISIONS}")
        if self.num_samples is not None and self.num_samples < 1:
            raise ValueError("num_samples must be positive or null")
        if self.attribute_order not in ORDERS:
            raise ValueError(f"attribute_order {self.attribute_order!r}: {ORDERS}")
