"""A Kedro dataset for rendered images and their labels."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset


class RawDataset(AbstractDataset[Any, Any]):
    """A folder with image shards and label files.

    Saves a `render.job.RenderJob`: makes the scenes that the folder does not hold yet.
    Loads `RawData`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Any:
        from igllm_pipelines.shards.raw import RawData

        return RawData(self._filepath)

    def save(self, data: Any) -> None:
        from igllm_pipelines.shards.writer import write_raw

        write_raw(self._filepath, data)

    def _exists(self) -> bool:
        return any((self._filepath / "labels").glob("*.json"))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
