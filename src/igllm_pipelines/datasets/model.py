"""Kedro datasets for models, their packages, and image towers: strict folders."""

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


class PackageDataset(AbstractDataset[dict[str, Any], Any]):
    """A folder that holds a model package.

    Saves the arguments of `save_package`, loads a `ModelPackage`.

    Args:
        filepath: of the package.
        model: the folder where the catalog has stored the packaged model. Its files are
            linked, so that the weights lie on the disk once.
        metadata: of Kedro.
    """

    def __init__(
        self, *, filepath: str, model: str, metadata: dict[str, Any] | None = None
    ):
        self._filepath = Path(filepath)
        self._model = Path(model)
        self.metadata = metadata

    def load(self) -> Any:
        from igllm_pipelines.infer.package import load_package

        return load_package(self._filepath)

    def save(self, data: dict[str, Any]) -> None:
        from igllm_pipelines.infer.package import save_package

        save_package(self._filepath, **data, stored=self._model)

    def _exists(self) -> bool:
        return (self._filepath / "package.json").is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "model": str(self._model)}
