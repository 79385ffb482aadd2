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


def data_revision(domain: str, folder: Path) -> str | None:
    """The first 8 digits of what ``dvc.lock`` calls a domain's images and labels.

    Args:
        domain: its name; the stage is ``data@<domain>``.
        folder: with the images and labels, an output of that stage.

    Returns:
        None where DVC did not make the folder as it is.
    """
    import yaml

    folder = folder.absolute()
    root = next((p for p in folder.parents if (p / "dvc.lock").is_file()), None)
    if root is None:
        return None
    lock = yaml.safe_load((root / "dvc.lock").read_text(encoding="utf-8")) or {}
    stage = lock.get("stages", {}).get(f"data@{domain}", {})
    path = folder.relative_to(root).as_posix()
    # indices of tars come and go, DVC passes over them
    files = (f for f in folder.rglob("*") if f.is_file() and f.parent.name != ".index")
    size = sum(file.stat().st_size for file in files)
    for out in stage.get("outs", ()):
        # a lock of another size is older than the data
        if out["path"] == path and out.get("size") == size:
            return str(out["md5"])[:8]
    return None


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
