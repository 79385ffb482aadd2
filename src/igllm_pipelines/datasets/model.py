"""Kedro datasets for models and image towers: strict folders of weights."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset


class _Folder(AbstractDataset[Any, Any]):
    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def _exists(self) -> bool:
        return (self._filepath / "model.safetensors").is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class ModelDataset(_Folder):
    """A folder that holds an `IGLLM`."""

    def load(self) -> Any:
        from igllm_pipelines.model.storage import load_model

        return load_model(self._filepath)

    def save(self, data: Any) -> None:
        from igllm_pipelines.model.storage import save_model

        save_model(data, self._filepath)


class TowerDataset(_Folder):
    """A folder that holds an image tower."""

    def load(self) -> Any:
        from igllm_pipelines.model.storage import load_tower

        return load_tower(self._filepath)

    def save(self, data: Any) -> None:
        from igllm_pipelines.model.storage import save_tower

        save_tower(data, self._filepath)
