"""The official downloads, read where they lie: tars are not unpacked or copied.

::

    <root>/CLEVR/images/<split>.tar   <root>/CLEVR/labels/<split>.json
    <root>/SO3, 6DoF, ShapeNet        likewise
    <root>/2D/2d.npz                  positions, see `domains.official`

In the place of our own shards, ``data/01_raw/<domain>/``, stands a file
``source.json`` that says where the download lies and how it is read.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from igllm_pipelines.shards.raw import RawData
from igllm_pipelines.shards.tar import ShardError

POINTER = "source.json"


@dataclass(frozen=True)
class Pointer:
    """Where a download lies.

    Attributes:
        folder: with images/ and labels/, absolute.
        yaw: how a yaw is read, see `scene.labels`.
        limits: ``{split: number}`` of splits of which only the first scenes are used.
    """

    folder: str
    yaw: str
    limits: Mapping[str, int] = field(default_factory=dict)


def check_download(folder: Path, splits: Sequence[str]) -> None:
    """Checks that the labels and the tar of every split are there.

    Raises:
        ShardError: names everything that is missing.
    """
    wanted = [path for s in splits for path in (f"images/{s}.tar", f"labels/{s}.json")]
    missing = [path for path in wanted if not (folder / path).is_file()]
    if missing:
        raise ShardError(
            f"{folder}: {', '.join(missing)} not found; `root` must be the folder of "
            f"the download, which holds {folder.name}/, or {folder.name}/ itself"
        )


def write_pointer(raw_folder: Path, pointer: Pointer) -> None:
    """Makes `raw_folder` stand for a download."""
    raw_folder.mkdir(parents=True, exist_ok=True)
    partial = raw_folder / f".{POINTER}.partial"
    partial.write_text(json.dumps(asdict(pointer), indent=1, sort_keys=True) + "\n")
    os.replace(partial, raw_folder / POINTER)


def remove_pointer(raw_folder: Path) -> None:
    """Makes `raw_folder` stand for the shards inside it again."""
    (raw_folder / POINTER).unlink(missing_ok=True)


def open_raw(raw_folder: Path) -> RawData:
    """The data of a raw folder, its own or those that it points to.

    Raises:
        ShardError: the pointer cannot be read.
    """
    path = raw_folder / POINTER
    if not path.exists():
        return RawData(raw_folder)
    try:
        pointer = Pointer(**json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError, RecursionError) as error:
        raise ShardError(f"{path}: {error}; remove it and run again") from error
    return RawData(Path(pointer.folder), pointer.yaw, pointer.limits)
