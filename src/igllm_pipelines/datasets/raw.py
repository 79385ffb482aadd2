"""A Kedro dataset for images and their labels, rendered or downloaded."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset


class RawDataset(AbstractDataset[Any, Any]):
    """A folder with image shards and label files, or a pointer to a download.

    Saves a `render.job.RenderJob`: makes the scenes that the folder does not hold yet.
    Saves a `domains.official.OfficialConfig`: checks that the download is there and
    points to it; shards that were rendered before stay for the next job.
    Loads `RawData`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Any:
        from igllm_pipelines.shards.official import open_raw

        return open_raw(self._filepath)

    def save(self, data: Any) -> None:
        from igllm_pipelines.domains.official import OfficialConfig
        from igllm_pipelines.shards import official
        from igllm_pipelines.shards.writer import write_raw

        if isinstance(data, OfficialConfig):
            official.check_download(data.folder, data.splits)
            pointer = official.Pointer(str(data.folder), data.yaw, data.num_scenes)
            official.write_pointer(self._filepath, pointer)
        else:
            official.remove_pointer(self._filepath)
            write_raw(self._filepath, data)

    def _exists(self) -> bool:
        from igllm_pipelines.shards.official import POINTER

        labels = (self._filepath / "labels").glob("*.json")
        return (self._filepath / POINTER).exists() or any(labels)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
