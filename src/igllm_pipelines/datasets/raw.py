"""A Kedro dataset for rendered images and their labels."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

if TYPE_CHECKING:
    from igllm_pipelines.render.job import RenderJob


class RawDataset(AbstractDataset[Any, Any]):
    """A folder with image shards and label files.

    Saves a `RenderJob`: renders the scenes that the folder does not hold yet. Loads
    `RawData`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Any:
        from igllm_pipelines.shards.raw import RawData

        return RawData(self._filepath)

    def save(self, data: "RenderJob") -> None:
        from igllm_pipelines.shards.writer import RawWriter

        writer = RawWriter(
            self._filepath, data.fingerprint, data.filenames, data.scenes_per_shard
        )
        with writer, closing(data.run(writer.missing())) as scenes:
            for scene in scenes:
                writer.add(scene.split, scene.index, scene.record, scene.png)
            writer.finish(data.info)

    def _exists(self) -> bool:
        return any((self._filepath / "labels").glob("*.json"))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
