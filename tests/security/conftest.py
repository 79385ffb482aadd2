"""The canary: a folder that appears if anything that a test reads is executed."""

import os
import pickle
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Canary:
    """Whoever unpickles it makes the folder."""

    folder: Path

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)

    @property
    def code(self):
        """Python that makes the folder, as an expression."""
        return f"__import__('os').mkdir({str(self.folder)!r})"

    @property
    def pickled(self):
        return pickle.dumps({"weight": self})


@pytest.fixture
def canary(tmp_path):
    """A canary that must not have sung when the test is over."""
    found = Canary(tmp_path / "canary")
    yield found
    assert not found.folder.exists()
