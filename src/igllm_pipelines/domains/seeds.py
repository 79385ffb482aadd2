"""Seeds: every scene has its own, so that any of them can be drawn alone."""

import zlib


def scene_seed(seed: int, split: str, index: int, attempt: int) -> tuple[int, ...]:
    """Entropy of one scene; no two splits, scenes or attempts share it.

    Args:
        seed: of the whole data set, not negative.
        split: its name enters, not its place among the others.
        index: of the scene in the split.
        attempt: counts the scenes of this index that were thrown away.

    >>> scene_seed(7, "train", 3, 0)
    (7, 1550247075, 3, 0)
    """
    return (seed, zlib.crc32(split.encode()), index, attempt)
