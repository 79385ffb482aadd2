"""Writes a data set in the layout of the official downloads.

::

    <out>/<folder>/images/<split>.tar    one tar a split, images only
    <out>/<folder>/labels/<split>.json   our extra fields beside the official ones
    <out>/2D/2d.npz                      2D: positions instead of images and labels

Read it again with ``source: official``: the scenes are the same.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from igllm_pipelines.scene.labels import scene_to_record, write_labels
from igllm_pipelines.shards.raw import RawData
from igllm_pipelines.shards.tar import ShardError, write_tar

FOLDERS = {
    "2d": "2D",
    "clevr": "CLEVR",
    "so3": "SO3",
    "6dof": "6DoF",
    "shapenet": "ShapeNet",
}


def export_raw(raw: RawData, domain: str, out: Path) -> Path:
    """Exports all splits of a data set.

    The folder appears when it is complete. In 2D the dots of ``val_ID`` stand at the
    end of the training array, as in the official file.

    Args:
        raw: the data.
        domain: its name, which decides the folder's.
        out: where the folder is made.

    Returns:
        The folder, ``<out>/CLEVR``.

    Raises:
        ShardError: the folder is there and not empty, or an image or a split is
            missing.
        LabelError: a label cannot be read.
    """
    target = out / FOLDERS[domain]
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ShardError(
            f"{target} is there already and is not overwritten: remove it, or choose "
            "another folder"
        )
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write_dots(raw, partial) if domain == "2d" else _write_splits(raw, partial)
        os.replace(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return target


def _write_splits(raw: RawData, folder: Path) -> None:
    for split in raw.splits():
        write_tar(folder / "images" / f"{split}.tar", _images(raw, split))
        records = (scene_to_record(scene) for scene in raw.scenes(split))
        write_labels(folder / "labels" / f"{split}.json", records, {"split": split})


def _images(raw: RawData, split: str) -> Iterator[tuple[str, bytes]]:
    for scene in raw.scenes(split):
        yield scene.image_filename, raw.image_file(split, scene.image_filename)


def _write_dots(raw: RawData, folder: Path) -> None:
    positions = {
        split: np.concatenate([scene.locations()[:, :2] for scene in raw.scenes(split)])
        for split in ("train", "val_ID", "random")
    }
    training = np.concatenate([positions["train"], positions["val_ID"]])
    arrays = {_layout(raw): training, "random": positions["random"]}
    np.savez(folder / "2d.npz", **arrays)


def _layout(raw: RawData) -> str:
    """Name of the cells that the training dots lie in; of a download it is sparse."""
    try:
        made_from = json.loads((raw.root / "fingerprint.json").read_text())
        return str(made_from["scenes"]["layout"])
    except (OSError, ValueError, KeyError):
        return "checkerboard_sparse"
