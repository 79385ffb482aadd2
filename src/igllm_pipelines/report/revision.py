"""Which code made a report, from which data."""

import subprocess
from functools import cache
from pathlib import Path

UNKNOWN = "unknown"
_PACKAGE = Path(__file__).parents[1]


@cache
def git_revision(folder: Path = _PACKAGE) -> str:
    """The commit that `folder` is checked out from, read once.

    Ends in ``-dirty`` where tracked files differ from the commit. ``unknown`` without
    git, outside a repository, and where the repository does not hold the folder's
    files, as of a package installed into an environment within somebody's checkout.
    """
    if not _git(folder, "ls-files", "--", "."):
        return UNKNOWN
    return _git(folder, "describe", "--always", "--dirty", "--exclude=*") or UNKNOWN


def dvc_revision(path: Path) -> str | None:
    """The first 8 digits of the hash that ``dvc.lock`` holds for an output.

    Args:
        path: a file or folder in the project, such as ``data/01_raw/clevr``.

    Returns:
        None where there is no lock above it, or none of the output as it is: a lock
        that is older than the data says nothing of them, so the size must fit.
    """
    import yaml

    path = path.absolute()
    root = next((p for p in path.parents if (p / "dvc.lock").is_file()), None)
    if root is None:
        return None
    lock = yaml.safe_load((root / "dvc.lock").read_text(encoding="utf-8")) or {}
    for stage in (lock.get("stages") or {}).values():
        for out in stage.get("outs") or ():
            if root / out["path"] == path:
                fits = out.get("size") == _size(path)
                return str(out["md5"])[:8] if fits else None
    return None


def _size(path: Path) -> int:
    """In bytes, without the indices of tars, which DVC passes over."""
    files = path.rglob("*") if path.is_dir() else [path]
    kept = (f for f in files if f.is_file() and f.parent.name != ".index")
    return sum(file.stat().st_size for file in kept)


def _git(folder: Path, *arguments: str) -> str:
    """What git says, empty where it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
