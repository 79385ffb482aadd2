"""Results of a study's runs on disk, so that a killed study goes on."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from igllm_pipelines.report.study import StudyRun


class RunStore:
    """One JSON file for each run; it counts only for the run that it was made by.

    Args:
        folder: of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, encoding: str, seed: int, digest: str) -> StudyRun | None:
        """The run, None where there is none with this fingerprint."""
        try:
            content = json.loads(self._path(encoding, seed).read_text("utf-8"))
            return StudyRun(**content["run"]) if content["digest"] == digest else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def save(self, run: StudyRun, digest: str) -> None:
        """Writes a run, whole or not at all."""
        path = self._path(run.encoding, run.seed)
        partial = path.with_suffix(".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"digest": digest, "run": asdict(run)}, indent=1)
        partial.write_text(text + "\n", encoding="utf-8")
        os.replace(partial, path)

    def _path(self, encoding: str, seed: int) -> Path:
        return self._folder / f"{encoding}_seed{seed}.json"
