"""Checkpoints that are whole or absent.

A checkpoint is written into ``.partial``, listed with its files' sizes in
``manifest.json``, flushed to the disk and then renamed to ``checkpoint-<step>``.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

MANIFEST, FINGERPRINT, PARTIAL = "manifest.json", "fingerprint.json", ".partial"


def fingerprint(settings: Mapping[str, Any]) -> str:
    """SHA-256 of JSON data, the same for the same data."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def prepare(folder: Path, digest: str) -> None:
    """Makes `folder` ready for a run with the fingerprint `digest`.

    Checkpoints of another run and half-written ones are removed.
    """
    file = folder / FINGERPRINT
    if file.is_file() and file.read_text(encoding="utf-8").strip() != digest:
        logger.warning(
            "%s holds checkpoints of another configuration or data; they are removed "
            "and training starts anew",
            folder,
        )
        _clear(folder)
    elif not file.is_file():
        _clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / PARTIAL, ignore_errors=True)
    file.write_text(digest + "\n", encoding="utf-8")


def _clear(folder: Path) -> None:
    for path in (*folder.glob("checkpoint-*"), folder / PARTIAL):
        shutil.rmtree(path, ignore_errors=True)
    (folder / FINGERPRINT).unlink(missing_ok=True)


def seal(partial: Path, final: Path) -> None:
    """Turns a written folder into a checkpoint."""
    files = sorted(path for path in partial.rglob("*") if path.is_file())
    sizes = {str(path.relative_to(partial)): path.stat().st_size for path in files}
    manifest = partial / MANIFEST
    manifest.write_text(json.dumps(sizes, indent=2) + "\n", encoding="utf-8")
    for path in (*files, manifest):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(final, ignore_errors=True)
    os.replace(partial, final)


def last_whole(folder: Path) -> Path | None:
    """The newest checkpoint that is whole; broken ones are named in a warning."""
    for path in sorted(folder.glob("checkpoint-*"), key=_step, reverse=True):
        if _is_whole(path):
            return path
        logger.warning("%s is broken and skipped", path)
    return None


def keep_newest(folder: Path, count: int) -> None:
    """Removes all checkpoints but the `count` newest."""
    for path in sorted(folder.glob("checkpoint-*"), key=_step)[:-count]:
        shutil.rmtree(path, ignore_errors=True)


def _step(path: Path) -> int:
    step = path.name.rpartition("-")[2]
    return int(step) if step.isdigit() else -1


def _is_whole(path: Path) -> bool:
    try:
        sizes = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        return all((path / n).stat().st_size == size for n, size in sizes.items())
    except (OSError, ValueError):
        return False
