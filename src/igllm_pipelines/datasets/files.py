"""Kedro dataset for a folder of made files, such as an HTML report."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import AbstractDataset, DatasetError


class FilesDataset(AbstractDataset[Mapping[str, bytes], Path]):
    """Saves ``{relative path: content}`` as a folder, loads the folder's path.

    The folder is written under a temporary name and renamed, so that it holds exactly
    these files or is what it was before.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """The path of the folder."""
        if not self._filepath.is_dir():
            raise DatasetError(f"{self._filepath} does not exist: make it first")
        return self._filepath

    def save(self, data: Mapping[str, bytes]) -> None:
        """Replaces the folder by one with these files."""
        partial = self._filepath.with_name(f".{self._filepath.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        for name, content in data.items():
            path = partial / _inside(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        shutil.rmtree(self._filepath, ignore_errors=True)
        os.replace(partial, self._filepath)

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise DatasetError(f"file name {name!r} leaves its folder")
    return path
