"""A Kedro dataset for a folder that a node fills on its own."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError


class FolderDataset(AbstractDataset[None, Path]):
    """Loads the path of a folder, which is made when it is missing."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        self._filepath.mkdir(parents=True, exist_ok=True)
        return self._filepath

    def save(self, data: None) -> None:
        raise DatasetError(f"{self._filepath} is filled by the node that loads it")

    def _exists(self) -> bool:
        return True  # load makes it

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
