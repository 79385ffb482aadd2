"""Folders of reconstructions: each is written under another name, then renamed."""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image

from igllm_pipelines.infer.pictures import Pixels

RECORD, PROGRAM, INPUT = "reconstruction.json", "program.txt", "input.png"
_KEYS = {
    *("name", "program", "objects", "log_probability", "number_stds"),
    *("notes", "files"),
}
INPUT_PX = 512  # longer side of the copy of the input


def partial_folder(folder: Path) -> Path:
    """Where the files of a folder are written before it gets its name."""
    return folder.with_name(f".{folder.name}.partial")


def new_partial(folder: Path) -> Path:
    """Makes that folder anew and empty."""
    partial = partial_folder(folder)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial


def finish_folder(
    folder: Path, picture: Pixels, program: str, record: Mapping[str, Any]
) -> None:
    """Adds input, program and record to the partial folder and gives it its name.

    What was there before under this name goes.
    """
    partial = partial_folder(folder)
    _small(picture).save(partial / INPUT)
    (partial / PROGRAM).write_text(program, encoding="utf-8")
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    (partial / RECORD).write_text(text, encoding="utf-8")
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    with suppress(FileNotFoundError):
        os.rename(folder, old)
    os.rename(partial, folder)
    shutil.rmtree(old, ignore_errors=True)


def read_record(folder: Path) -> dict[str, Any] | None:
    """What a folder's ``reconstruction.json`` says; None where there is none."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(record, dict) and record.keys() >= _KEYS
    return record if whole else None


def _small(picture: Pixels) -> Image.Image:
    image = Image.fromarray(picture)
    image.thumbnail((INPUT_PX, INPUT_PX))
    return image
