"""Kedro datasets for tokenizers and token tables."""

import os
import shutil
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError


class TokensDataset(AbstractDataset[dict[str, Any], dict[str, Any]]):
    """A folder with one Arrow file a split.

    Saves ``{split: pyarrow.Table}``, loads ``{split: ProgramTokens}``.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        from igllm_pipelines.tokens.sequences import ProgramTokens

        files = sorted(self._filepath.glob("*.arrow"))
        if not files:
            raise DatasetError(f"no token tables in {self._filepath}: tokenize first")
        return {file.stem: ProgramTokens.open(file) for file in files}

    def save(self, data: dict[str, Any]) -> None:
        import pyarrow as pa

        partial = self._filepath.with_name(f".{self._filepath.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for split, table in data.items():
            path = str(partial / f"{split}.arrow")
            with pa.OSFile(path, "wb") as f, pa.ipc.new_file(f, table.schema) as writer:
                writer.write_table(table)
        shutil.rmtree(self._filepath, ignore_errors=True)
        os.replace(partial, self._filepath)

    def _exists(self) -> bool:
        return any(self._filepath.glob("*.arrow"))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class TokenizerDataset(AbstractDataset[Any, Any]):
    """A folder with a `ProgramTokenizer`; transformers can read it too."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Any:
        from igllm_pipelines.tokens.program_tokenizer import ProgramTokenizer

        return ProgramTokenizer.load(self._filepath)

    def save(self, data: Any) -> None:
        data.save(self._filepath)

    def _exists(self) -> bool:
        files = ("tokenizer.json", "program_tokenizer.json")
        return all((self._filepath / name).is_file() for name in files)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
