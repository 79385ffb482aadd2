"""What images and cached features look like to models."""

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray


class VisionSource(Protocol):
    """Where images or cached features come from."""

    def batch(self, split: str, filenames: Sequence[str]) -> NDArray[Any]:
        """Images ``(batch, height, width, 3)`` or features ``(batch, tokens, dim)``."""
        ...
