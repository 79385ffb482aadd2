"""Exports in the official layout, and the same scenes when they are read again."""

import tarfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.official import FOLDERS, SPLITS, OfficialConfig
from igllm_pipelines.domains.sources import scene_config
from igllm_pipelines.shards import export
from igllm_pipelines.shards.export import export_raw
from igllm_pipelines.shards.official import Pointer, open_raw, write_pointer
from igllm_pipelines.shards.raw import RawData
from igllm_pipelines.shards.tar import ShardError
from igllm_pipelines.shards.writer import write_raw
from tests.shards.official_trees import write_download
from tests.shards.samples import DrawnJob

TRAIN, TEST = 5, 3


@dataclass
class Made:
    raw: RawData
    source: Any


@pytest.fixture(scope="module", params=list(DOMAINS))
def domain(request):
    return request.param


@pytest.fixture(scope="module")
def made(domain, tmp_path_factory):
    """Drawn scenes with small pictures, in shards of two."""
    counts = dict.fromkeys(DOMAINS[domain].splits, TEST) | {"train": TRAIN}
    source = scene_config(domain, {"num_scenes": counts})
    root = tmp_path_factory.mktemp("raw") / domain
    write_raw(root, DrawnJob(source))
    return Made(RawData(root), source)


def reopened(tmp_path, domain, exported):
    """The export as ``source: official`` reads it."""
    given = {"source": "official", "root": str(exported.parent)}
    if domain == "2d":
        source = scene_config("2d", {**given, "num_scenes": {"val_ID": TEST}})
        write_raw(tmp_path / "again", DrawnJob(source))
        return RawData(tmp_path / "again")
    config = scene_config(domain, given)
    assert isinstance(config, OfficialConfig)
    write_pointer(tmp_path / "again", Pointer(str(config.folder), config.yaw))
    return open_raw(tmp_path / "again")


def test_import_of_an_export_gives_the_same_scenes(tmp_path, domain, made):
    again = reopened(tmp_path, domain, export_raw(made.raw, domain, tmp_path / "out"))
    assert again.splits() == made.raw.splits()
    for split in made.raw.splits():
        expected, found = made.raw.scenes(split), again.scenes(split)
        if domain == "2d":  # the layout holds positions and nothing else
            expected, found = ([s.objects for s in rows] for rows in (expected, found))
        assert found == expected


def test_layout_of_an_export(tmp_path, domain, made):
    exported = export_raw(made.raw, domain, tmp_path)
    assert exported == tmp_path / FOLDERS[domain]
    found = {str(p.relative_to(exported)) for p in exported.rglob("*") if p.is_file()}
    if domain == "2d":
        assert found == {"2d.npz"}
        arrays = np.load(exported / "2d.npz")
        assert set(arrays.files) == {"checkerboard", "random"}
        assert arrays["checkerboard"].shape == (TRAIN + TEST, 2)
        return
    assert {*SPLITS[domain]} <= {*DOMAINS[domain].splits}
    files = [(f"images/{s}.tar", f"labels/{s}.json") for s in DOMAINS[domain].splits]
    assert found == {path for pair in files for path in pair}
    with tarfile.open(exported / "images" / "train.tar") as tar:
        assert tar.getnames() == [made.source.filename("train", i) for i in range(5)]


def test_images_are_copied_to_the_byte(tmp_path):
    folder = write_download(tmp_path / "official") / "6DoF"
    again = RawData(export_raw(RawData(folder), "6dof", tmp_path / "out"))
    name = "6DoF_val_ID_000001.png"
    assert again.image_file("val_ID", name) == RawData(folder).image_file(
        "val_ID", name
    )
    assert again.scenes("val_ID") == RawData(folder).scenes("val_ID")


def test_folders_are_those_of_the_downloads():
    assert dict(FOLDERS) == export.FOLDERS


def test_what_is_there_is_not_overwritten(tmp_path, made, domain):
    exported = export_raw(made.raw, domain, tmp_path)
    before = {p: p.read_bytes() for p in exported.rglob("*") if p.is_file()}
    with pytest.raises(ShardError, match="not overwritten"):
        export_raw(made.raw, domain, tmp_path)
    assert {p: p.read_bytes() for p in exported.rglob("*") if p.is_file()} == before


def test_broken_data_leave_nothing_behind(tmp_path):
    folder = write_download(tmp_path / "official") / "SO3"
    (folder / "images" / "val_OOD.tar").unlink()
    with pytest.raises(ShardError, match="no tar of split val_OOD"):
        export_raw(RawData(folder), "so3", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
