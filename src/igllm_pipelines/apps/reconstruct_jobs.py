"""Which pictures `igllm reconstruct` takes, and in which folder each one lands.

A finished folder says in its ``reconstruction.json`` what it was made from and how; so
a run that was killed, or is started again with more pictures, does only what is left.
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from igllm_pipelines.apps.reconstruction_files import read_record
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.infer.package import ModelPackage
from igllm_pipelines.infer.pictures import PictureError, find_pictures

Record = dict[str, Any]
MAX_NAME_BYTES = 200  # of a folder; file systems allow 255, and we add some
# names of the summaries beside the folders
_SUMMARY = re.compile(r"reconstructions\.(json|csv)|contact_sheet(_\d+)?\.png", re.I)
# what changes no result
_SPEED = ("batch_size", "num_threads", "num_samples", "workers", "chunk_size")


@dataclass(frozen=True)
class Job:
    """A picture and the folder of its reconstruction.

    Attributes:
        path: of the picture.
        folder: of the reconstruction.
        about: what it is made from and how, a part of ``reconstruction.json``.
        done: whether the folder holds just that.
    """

    path: Path
    folder: Path
    about: Mapping[str, Any]
    done: bool


@dataclass(frozen=True)
class Failure:
    """A picture that could not be reconstructed, and why."""

    path: Path
    reason: str


def find_inputs(paths: Sequence[Path], out: Path) -> tuple[list[Path], list[Failure]]:
    """The pictures that the paths name, each once, and the paths that name none.

    What lies in `out` is a result and no input.
    """
    found: dict[Path, Path] = {}
    failures = []
    for path in paths:
        try:
            inside = [p for p in find_pictures([path]) if not _lies_in(p, out)]
        except (PictureError, OSError) as error:
            failures.append(Failure(path, str(error)))
            continue
        for picture in inside:
            found.setdefault(picture.resolve(), picture)
    return list(found.values()), failures


def _lies_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def make_jobs(
    paths: Sequence[Path], out: Path, made_by: Mapping[str, Any]
) -> tuple[list[Job], list[Failure]]:
    """A job for each picture that is there.

    Folders are named after the pictures; of pictures of one name the later ones get the
    name of their own folder in front.

    Args:
        paths: of the pictures, all different.
        out: where the folders lie.
        made_by: see `fingerprint`.
    """
    taken: set[str] = set()
    jobs, failures = [], []
    for path in paths:
        try:
            about = {**_identity(path), **made_by}
        except OSError as error:
            failures.append(Failure(path, f"{path}: {error.strerror}"))
            continue
        folder = next(
            out / name
            for name in _names(path)
            if name.casefold() not in taken and _is_free(out / name, about["input"])
        )
        taken.add(folder.name.casefold())
        jobs.append(Job(path, folder, about, _is_done(folder, about)))
    return jobs, failures


def _identity(path: Path) -> Record:
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):  # reading a pipe would wait for ever
        raise OSError(errno.EINVAL, "not a regular file")
    return {
        "input": str(path.resolve()),
        "input_bytes": state.st_size,
        "input_modified_ns": state.st_mtime_ns,
    }


def _names(path: Path) -> Iterator[str]:
    """Names for the folder of a picture, plain ones first."""
    absolute = Path(os.path.abspath(path))
    parts = [_plain(part) for part in (*absolute.parts[1:-1], absolute.stem)]
    for depth in range(1, min(len(parts), 4) + 1):
        yield _shortened("_".join(parts[-depth:]))
    for number in count(2):
        yield f"{_shortened(parts[-1])}_{number}"


def _plain(text: str) -> str:
    """The text without a leading dot, and without what cannot be shown."""
    shown = "".join(c if c.isprintable() else "_" for c in text)
    return shown.strip(". ") or "picture"


def _shortened(name: str) -> str:
    """The end of the name, where it is longer than file systems take."""
    return name.encode()[-MAX_NAME_BYTES:].decode(errors="ignore").lstrip(". ")


def _is_free(folder: Path, source: str) -> bool:
    """Whether a picture may have this folder: nothing else's files lie there."""
    if _SUMMARY.fullmatch(folder.name):
        return False
    if not folder.exists():
        return True
    record = read_record(folder)
    return record is not None and record.get("input") == source


def _is_done(folder: Path, about: Mapping[str, Any]) -> bool:
    record = read_record(folder)
    return (
        record is not None
        and all(record.get(key) == value for key, value in about.items())
        and all((folder / name).is_file() for name in record["files"].values())
    )


def fingerprint(
    package: ModelPackage,
    inference: InferenceConfig,
    refine_s: float,
    pictures: bool,
) -> Record:
    """What decides on a reconstruction, apart from the picture."""
    decoding = {k: v for k, v in asdict(inference).items() if k not in _SPEED}
    return {
        "model_sha256": _digest(package.folder),
        "decoding": decoding,
        "refine_seconds": refine_s,
        "pictures": pictures,
    }


def _digest(folder: Path) -> str:
    """Of the names and contents of all files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(folder)).encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
