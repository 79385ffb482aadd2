"""A Kedro dataset for cached image features."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

FeatureBatches = Mapping[str, tuple[Sequence[str], Iterable[Any]]]


class FeatureDataset(AbstractDataset[FeatureBatches, Any]):
    """A folder with one memory-mapped array a split.

    Saves ``{split: (filenames, batches)}``, where the batches are arrays ``(batch,
    tokens, width)`` and may come from a generator, so that the features never lie in
    memory at once. With no split no features are kept. Loads a `FeatureCache`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Any:
        from igllm_pipelines.shards.features import FeatureCache

        return FeatureCache(self._filepath)

    def save(self, data: FeatureBatches) -> None:
        from igllm_pipelines.shards.features import FeatureWriter

        with FeatureWriter(self._filepath) as writer:
            for split, (filenames, batches) in data.items():
                writer.write(split, filenames, batches)

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
