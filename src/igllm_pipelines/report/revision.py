"""Which code made a report."""

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
