"""A Kedro dataset for the syntax of a domain's programs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from igllm_pipelines.scene.program import ProgramSyntax, syntax_from_record


class SyntaxDataset(AbstractDataset[ProgramSyntax, ProgramSyntax]):
    """A `ProgramSyntax` as a JSON file."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> ProgramSyntax:
        return syntax_from_record(json.loads(self._filepath.read_text("utf-8")))

    def save(self, data: ProgramSyntax) -> None:
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(data), indent=2) + "\n"
        self._filepath.write_text(text, encoding="utf-8")

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
