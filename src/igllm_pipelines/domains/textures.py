"""Texture families by name; the renderer knows what each looks like."""

import numpy as np

FAMILIES = (
    *("wood", "marble", "brick", "checker", "noise", "voronoi", "magic", "stripes"),
)
NUMBERS = 10_000  # textures of a family


def sample_texture(rng: np.random.Generator, families: tuple[str, ...]) -> str:
    """A texture of one of `families`, ``<family>_<nnnn>``."""
    family = families[int(rng.integers(len(families)))]
    return f"{family}_{int(rng.integers(NUMBERS)):04d}"


def family_of(texture: str) -> str:
    """The family of a texture.

    >>> family_of("wood_0042")
    'wood'
    """
    return texture.rpartition("_")[0]
