"""A Kedro dataset for the scene parser of NS-VQA: a strict folder."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset


class ParserDataset(AbstractDataset[Any, Any]):
    """A folder that holds a `SceneParser`."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Any:
        from igllm_pipelines.baselines.ns_vqa.parser import load_parser

        return load_parser(self._filepath)

    def save(self, data: Any) -> None:
        from igllm_pipelines.baselines.ns_vqa.parser import save_parser

        save_parser(data, self._filepath)

    def _exists(self) -> bool:
        return (self._filepath / "model.safetensors").is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
