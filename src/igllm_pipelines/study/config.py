"""What an ablation compares, as flat data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from igllm_pipelines.domains.variants import base_of


@dataclass(frozen=True)
class AblationConfig:
    """Encodings that are trained alike, each from every seed.

    Attributes:
        encodings: with their variants, ``float_feedback``, and without; the one
            without a variant is what its variants are compared with.
        seeds: of first weights and order.
        training: fields of the domain's `TrainingConfig` that differ here, for all.
        test_images: the first so many of each test split, None for all.
    """

    encodings: Sequence[str]
    seeds: Sequence[int]
    training: Mapping[str, Any] = field(default_factory=dict)
    test_images: int | None = None

    def __post_init__(self) -> None:
        for name in ("encodings", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must be there, each once: {list(values)}")
        for encoding in self.encodings:
            if base_of(encoding) not in self.encodings:
                raise ValueError(
                    f"{encoding!r} is compared with {base_of(encoding)!r}: name it too"
                )
        if self.test_images is not None and self.test_images < 1:
            raise ValueError("test_images must be positive or null")
