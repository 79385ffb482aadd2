"""What a run comes from: digests of data and models, the revision of the code."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

_LENGTH = 16  # hexadecimal digits; MLflow takes at most 36


def data_digest(raw_folder: Path) -> str:
    """Fingerprint of a domain's data.

    It covers every label file, and name and size of every tar: pictures are made from
    what their labels say.
    """
    from igllm_pipelines.shards.official import POINTER, open_raw

    root = open_raw(raw_folder).root
    labels = sorted((root / "labels").glob("*.json"))
    tars = sorted((root / "images").glob("*.tar"))
    sizes = "".join(f"{tar.name} {tar.stat().st_size}\n" for tar in tars)
    return _digest(_contents([*labels, raw_folder / POINTER]), sizes.encode())


def model_digest(folder: Path) -> str | None:
    """Fingerprint of a stored model, by which its training is found again.

    None where there is no model.
    """
    files = sorted(path for path in folder.glob("*") if path.is_file())
    return _digest(_contents(files)) if files else None


def _contents(files: Iterable[Path]) -> Iterator[bytes]:
    """Names and digests of those files that exist."""
    for path in files:
        if path.is_file():
            with path.open("rb") as file:
                yield path.name.encode()
                yield hashlib.file_digest(file, "sha256").digest()


def _digest(parts: Iterable[bytes], *more: bytes) -> str:
    digest = hashlib.sha256()
    for part in (*parts, *more):
        digest.update(part)
    return digest.hexdigest()[:_LENGTH]


@cache
def code_tags() -> dict[str, str]:
    """``git_revision`` and whether tracked files differ from it; none without git."""
    from igllm_pipelines.report.revision import UNKNOWN, git_revision

    revision = git_revision()
    if revision == UNKNOWN:
        return {}
    clean = revision.removesuffix("-dirty")
    return {"git_revision": clean, "git_dirty": str(revision != clean).lower()}
