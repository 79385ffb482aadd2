"""The index of a folder of assets: files are read again only when they change."""

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from igllm_pipelines.assets.files import FileCheck, check_file, named_files

INDEX_NAME = ".igllm-assets.json"
_VERSION = 2  # counts up with each change of what `files` finds
_Stamp = list[int] | None


class FileIndex:
    """Checks mesh files and remembers what it found, in the folder itself.

    A mesh is read again when its file, or a material file or texture that it names,
    has another size or time than before, has come or has gone.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._records = _read_records(root / INDEX_NAME)
        self._changed = False

    def check(self, path: str) -> FileCheck:
        """The check of a file, by its path below the root."""
        record = self._records.get(path)
        if record is None or not self._is_current(record["stamps"]):
            record = self._read(path)
            self._records[path] = record
            self._changed = True
        return _check_of_record(record["check"])

    def save(self) -> None:
        """Writes what was found; a folder that cannot be written to goes without."""
        if not self._changed:
            return
        text = json.dumps({"version": _VERSION, "files": self._records})
        draft = self._root / f"{INDEX_NAME}.{os.getpid()}"
        with contextlib.suppress(OSError):
            draft.write_text(text, encoding="utf-8")
            try:
                draft.replace(self._root / INDEX_NAME)
            finally:
                draft.unlink(missing_ok=True)

    def _read(self, path: str) -> dict[str, Any]:
        check = check_file(self._root / path)
        files = [path]
        if not check.errors:
            named = named_files(self._root / path)
            files += [os.path.relpath(file, self._root) for file in named]
        stamps = {file: self._stamp(file) for file in files}
        return {"stamps": stamps, "check": asdict(check)}

    def _is_current(self, stamps: dict[str, _Stamp]) -> bool:
        return all(self._stamp(file) == stamp for file, stamp in stamps.items())

    def _stamp(self, file: str) -> _Stamp:
        """Size in bytes and time of the last change in ns; None without a file."""
        try:
            status = (self._root / file).stat()
        except OSError:
            return None
        return [status.st_size, status.st_mtime_ns]


def _read_records(path: Path) -> dict[str, Any]:
    """Nothing where there is no index, or one of another version or broken."""
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        return index["files"] if index["version"] == _VERSION else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _check_of_record(record: dict[str, Any]) -> FileCheck:
    """JSON knows lists only."""
    values = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in record.items()
    }
    return FileCheck(**values)
