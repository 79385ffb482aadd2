"""What a study compares, as flat data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from igllm_pipelines.domains import parse_encoding
from igllm_pipelines.domains.variants import base_of


@dataclass(frozen=True)
class StudyConfig:
    """Encodings that are trained alike, each from every seed.

    Attributes:
        encodings: with their representations and variants, ``float_feedback``, and
            without.
        seeds: of first weights and order.
        base: the encoding that all others are compared with; None for the one of each
            that has the same name without the variant.
        train_images: each encoding is trained on the first so many training images,
            once for each number; empty for once, on those that ``training`` states.
        training: fields of the domain's `TrainingConfig` that differ here, for all.
        test_images: the first so many of each test split, None for all.
    """

    encodings: Sequence[str]
    seeds: Sequence[int]
    base: str | None = None
    train_images: Sequence[int] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    test_images: int | None = None

    def __post_init__(self) -> None:
        for name in ("encodings", "seeds"):
            _check_unique(name, getattr(self, name))
        if self.train_images:
            _check_unique("train_images", self.train_images)
        for encoding in self.encodings:
            base = self.base or base_of(encoding)
            if base not in self.encodings:
                raise ValueError(f"{encoding!r} is compared with {base!r}: name it too")
            if self.train_images and parse_encoding(encoding).variant:
                raise ValueError(
                    f"{encoding!r}: with train_images an encoding has no variant"
                )
        if min(self.train_images, default=1) < 1:
            raise ValueError("train_images must be positive")
        if self.test_images is not None and self.test_images < 1:
            raise ValueError("test_images must be positive or null")

    @property
    def sizes(self) -> dict[str, tuple[str, int]]:
        """Each name that ``train_images`` gives: its encoding and number of images.

        >>> StudyConfig(("char",), (1,), train_images=(250,)).sizes
        {'char_n250': ('char', 250)}
        """
        return {
            _sized(encoding, images): (encoding, images)
            for images in self.train_images
            for encoding in self.encodings
        }

    @property
    def bases(self) -> dict[str, str]:
        """The name of all that is trained, and of what it is compared with.

        >>> StudyConfig(("char", "float"), (1,), "char", (250,)).bases
        {'char_n250': 'char_n250', 'float_n250': 'char_n250'}
        """
        pairs = {name: self.base or base_of(name) for name in self.encodings}
        if not self.train_images:
            return pairs
        return {
            name: _sized(pairs[encoding], images)
            for name, (encoding, images) in self.sizes.items()
        }

    @property
    def variants(self) -> dict[str, Any]:
        """What the names of `sizes` mean, as ``params:variants`` has it."""
        return {
            f"n{images}": {"training": {"num_samples": images}}
            for images in self.train_images
        }


def _sized(encoding: str, images: int) -> str:
    return f"{encoding}_n{images}"


def _check_unique(name: str, values: Sequence[Any]) -> None:
    if not values or len(set(values)) < len(values):
        raise ValueError(f"{name} must be there, each once: {list(values)}")
