"""Random pictures; some take down the process that looks at them."""

import os
import signal
from pathlib import Path

import numpy as np


class Noise:
    """Pictures that their names seed.

    Args:
        seen: a file that names the pictures that were looked at, one a line.
        deadly: the process that looks at this picture first is killed.
    """

    def __init__(self, seen: Path | None = None, deadly: str | None = None):
        self._seen = seen
        self._deadly = deadly

    def batch(self, split, filenames):
        if self._seen is not None:
            if self._deadly in filenames and self._deadly not in looked_at(self._seen):
                self._note([self._deadly])
                os.kill(os.getpid(), signal.SIGKILL)
            self._note(filenames)
        seeds = [int(name) for name in filenames]
        size = (28, 28, 3)
        pictures = [np.random.default_rng(s).integers(0, 256, size) for s in seeds]
        return np.stack(pictures).astype(np.uint8)

    def _note(self, names):
        with self._seen.open("a") as file:
            file.write("".join(f"{name}\n" for name in names))


def looked_at(seen):
    return seen.read_text().split() if seen.exists() else []
