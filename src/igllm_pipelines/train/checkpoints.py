"""Checkpoints that are whole or absent.

A checkpoint is written into ``.partial``, listed with its files' sizes in
``manifest.json``, flushed to the disk and then renamed to ``checkpoint-<step>``.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

logger = logging.getLogger(__name__)

MANIFEST, FINGERPRINT, PARTIAL = "manifest.json", "fingerprint.json", ".partial"
LAYOUT = "layout.json"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# what torch says when a file could not be written; the system's error is lost
_TORCH_WRITES = ("PytorchStreamWriter", "unexpected pos", "iostream")


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written or used: says which, why, what to do."""


@contextmanager
def reading(checkpoint: Path) -> Iterator[None]:
    """While a checkpoint is loaded: nothing in it is run, what is no state is named.

    Raises:
        CheckpointError: it holds other things than what is loaded from it.
    """
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # unpickling, modules and optimizers raise many kinds
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{checkpoint} cannot be loaded ({type(error).__name__}: {reason}); delete "
            f"{checkpoint.parent} to start anew"
        ) from error


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
    if not file.is_file():  # on a full disk, writing it again would lose it
        partial = file.with_suffix(".partial")
        partial.write_text(digest + "\n", encoding="utf-8")
        os.replace(partial, file)


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
    for path in (*files, manifest, *_folders(partial)):
        _sync(path)
    shutil.rmtree(final, ignore_errors=True)
    os.replace(partial, final)
    _sync(final.parent)


def _folders(folder: Path) -> list[Path]:
    """The folder and all folders in it."""
    return [folder, *(path for path in folder.rglob("*") if path.is_dir())]


def _sync(path: Path) -> None:
    """Brings a file's content, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(folder: Path, name: str) -> Iterator[None]:
    """While a checkpoint is written: explains a failure and frees its space.

    Raises:
        CheckpointError: it could not be written.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = _write_failure(error)
        if reason is None:
            raise
        shutil.rmtree(folder / PARTIAL, ignore_errors=True)
        last = last_whole(folder)
        kept = f"the last whole one is {last.name}" if last else "there is none yet"
        raise CheckpointError(
            f"{folder / name} was not written: {reason}; {kept}. Make room and start "
            "the same command again: training goes on from there"
        ) from error


def _write_failure(error: Exception) -> str | None:
    """Why a file could not be written, None where the error is of another kind."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return f"no room on the disk ({error})"
    if isinstance(error, SafetensorError) and any(
        f"os error {number}" in str(error) for number in _NO_ROOM
    ):
        return f"no room on the disk ({error})"
    if isinstance(error, SafetensorError | OSError):
        return str(error)
    if any(text in str(error) for text in _TORCH_WRITES):
        first = str(error).partition("\n")[0]
        return f"the disk is full or failed ({first})"
    return None


def check_room(folder: Path, num_bytes: int) -> None:
    """Raises OSError early where a checkpoint of `num_bytes` would fill the disk."""
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise OSError(
            errno.ENOSPC,
            f"a checkpoint takes about {num_bytes / 1e6:.1f} MB, free are "
            f"{free / 1e6:.1f} MB",
        )


def write_layout(folder: Path, *, processes: int, zero_stage: int) -> None:
    """Notes for how many processes a checkpoint is, and of which ZeRO stage."""
    layout = {"processes": processes, "zero_stage": zero_stage}
    (folder / LAYOUT).write_text(json.dumps(layout) + "\n", encoding="utf-8")


def check_layout(checkpoint: Path, *, processes: int, zero_stage: int) -> None:
    """Checks that this run can go on from a checkpoint.

    Without DeepSpeed any number of processes can. DeepSpeed's own files are for the
    number of processes and the stage that wrote them.

    Raises:
        CheckpointError: the checkpoint is of another layout.
    """
    found = json.loads((checkpoint / LAYOUT).read_text(encoding="utf-8"))
    wanted = {"processes": processes, "zero_stage": zero_stage}
    if found == wanted or (found["zero_stage"] == zero_stage == 0):
        return
    raise CheckpointError(
        f"{checkpoint} was written by {found['processes']} process(es) with ZeRO stage "
        f"{found['zero_stage']}; this run has {processes} with stage {zero_stage}. Go "
        f"on as it was started, or delete {checkpoint.parent} to start anew"
    )


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
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return False
