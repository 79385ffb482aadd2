"""Reading raw folders, ours and official ones."""

import io
import json
import pickle
import tarfile

import numpy as np
import pytest

from igllm_pipelines.scene.labels import LabelError
from igllm_pipelines.shards.raw import RawData
from igllm_pipelines.shards.tar import ShardError, write_tar
from igllm_pipelines.shards.writer import write_raw
from tests.shards.samples import Job, png


@pytest.fixture
def raw(tmp_path):
    write_raw(tmp_path, Job({"train": 7, "train-extra": 1, "val_ID": 2}))
    return RawData(tmp_path)


def test_splits_scenes_images(raw):
    assert raw.splits() == ["train", "train-extra", "val_ID"]
    scenes = raw.scenes("train")
    assert len(scenes) == 7
    assert raw.filenames("train") == [scene.image_filename for scene in scenes]
    for index, scene in enumerate(scenes):
        image = raw.image("train", scene.image_filename)
        assert image.dtype == np.uint8
        assert image.shape == (4, 4, 3)
        assert (image == index).all()


def test_batch_keeps_the_order(raw):
    batch = raw.batch("train", ["train_006.png", "train_000.png", "train_006.png"])
    assert batch[:, 0, 0, 0].tolist() == [6, 0, 6]
    assert raw.batch("train", []).shape[0] == 0


def test_pickled_before_and_after_use(raw):
    for used in (False, True):
        if used:
            raw.image("train", "train_003.png")
        copy = pickle.loads(pickle.dumps(raw))
        assert copy.image("train", "train_004.png")[0, 0, 0] == 4


def test_official_layout(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    with tarfile.open(tmp_path / "images" / "val_ID.tar", "w") as tar:
        for name, data in (
            ("images/val_ID/CLEVR_new_000000.png", png(9)),
            ("images/val_ID/._CLEVR_new_000000.png", b"resource fork"),
            ("images/val_ID/readme.txt", b"hello"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    scene = {"image_filename": "CLEVR_new_000000.png", "objects": []}
    (tmp_path / "labels" / "val_ID.json").write_text(json.dumps([scene]))
    raw = RawData(tmp_path)
    assert raw.filenames("val_ID") == ["CLEVR_new_000000.png"]
    name = raw.scenes("val_ID")[0].image_filename
    assert raw.image("val_ID", name)[0, 0, 0] == 9


def test_missing_folders_are_named(tmp_path):
    raw = RawData(tmp_path)
    with pytest.raises(ShardError, match=r"labels.*no label files; render"):
        raw.splits()
    with pytest.raises(LabelError, match=r"train.json"):
        raw.scenes("train")
    with pytest.raises(ShardError, match=r"images: no such folder; render"):
        raw.image("train", "a.png")
    (tmp_path / "images").mkdir()
    with pytest.raises(ShardError, match=r"no tar of split train"):
        raw.image("train", "a.png")


def test_missing_image_is_named(raw):
    with pytest.raises(ShardError, match=r"no tar of split train holds 'x.png'"):
        raw.batch("train", ["train_000.png", "x.png"])


def test_truncated_tar_is_named(raw):
    path = raw.root / "images" / "train-00001.tar"
    with path.open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(ShardError, match=r"train-00001.tar: the tar is cut off"):
        raw.image("train", "train_003.png")


@pytest.mark.parametrize(
    "data", [b"no picture", png(1)[:45], b""], ids=["text", "cut", "empty"]
)
def test_unreadable_image_is_named(tmp_path, data):
    write_tar(tmp_path / "images" / "train.tar", [("a.png", data)])
    with pytest.raises(
        ShardError, match=r"train.tar: image a.png cannot be read \([^<]*\)"
    ):
        RawData(tmp_path).image("train", "a.png")


def test_two_images_of_one_name(tmp_path):
    members = [("x/a.png", png(1)), ("y/a.png", png(2))]
    write_tar(tmp_path / "images" / "train.tar", members)
    with pytest.raises(ShardError, match=r"y/a.png has the name of another image"):
        RawData(tmp_path).image("train", "a.png")


def test_images_of_different_size_in_a_batch(tmp_path):
    members = [("a.png", png(1, 4)), ("b.png", png(1, 5))]
    write_tar(tmp_path / "images" / "train.tar", members)
    with pytest.raises(ShardError, match="differ in size"):
        RawData(tmp_path).batch("train", ["a.png", "b.png"])
