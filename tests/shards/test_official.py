"""Official downloads, read from their tars: all that is in them, and what is broken."""

import json
import math
import pickle

import pytest

from igllm_pipelines.domains.official import OfficialConfig
from igllm_pipelines.scene import LabelError
from igllm_pipelines.scene.rotations import to_representation, yaw_from_quat
from igllm_pipelines.shards.official import (
    POINTER,
    Pointer,
    check_download,
    open_raw,
    write_pointer,
)
from igllm_pipelines.shards.tar import ShardError
from tests.shards.official_trees import (
    COUNT,
    NUMBERS,
    SPLITS,
    picture,
    write_download,
    write_images,
)

DOMAINS = {"clevr": "CLEVR", "so3": "SO3", "6dof": "6DoF", "shapenet": "ShapeNet"}


@pytest.fixture(scope="module")
def download(tmp_path_factory):
    return write_download(tmp_path_factory.mktemp("official"))


def opened(tmp_path, config):
    pointer = Pointer(str(config.folder), config.yaw, config.num_scenes)
    write_pointer(tmp_path / "raw", pointer)
    return open_raw(tmp_path / "raw")


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_split_is_read_from_the_tars(download, tmp_path, domain):
    config = OfficialConfig(domain, str(download))
    check_download(config.folder, config.splits)
    raw = opened(tmp_path, config)
    assert set(raw.splits()) == {*SPLITS[DOMAINS[domain]]} == {*config.splits}
    for split in config.splits:
        scenes = raw.scenes(split)
        numbers = tuple(len(scene.objects) for scene in scenes)
        assert numbers == NUMBERS[DOMAINS[domain]]
        assert raw.filenames(split) == [scene.image_filename for scene in scenes]
        pixels = raw.image(split, scenes[2].image_filename)
        assert pixels.shape == (32, 48, 3)
        assert pixels[0, 0].tolist() == [80, 0, 175]
        stored = raw.image_file(split, scenes[2].image_filename)
        assert stored == picture(80)


def test_objects_have_what_the_labels_say(download, tmp_path):
    raw = opened(tmp_path, OfficialConfig("shapenet", str(download)))
    path = download / "ShapeNet" / "labels" / "train.json"
    record = json.loads(path.read_text())["scenes"][0]["objects"][0]
    (obj,) = raw.scenes("train")[0].objects
    assert (obj.shape, obj.color, obj.size) == ("chair_1a2b", "blue", None)
    assert obj.location == tuple(record["3d_coords"])
    assert obj.pixel_coords == tuple(record["pixel_coords"])
    euler = to_representation(obj.rotation, "euler")
    assert euler == pytest.approx(record["rotation"], abs=1e-9)


@pytest.mark.parametrize(
    ("yaw", "expected_rad"),
    [("rendered", 269.8490164), ("stated", math.radians(269.8490164))],
)
def test_yaw_of_clevr_is_read_as_asked(download, tmp_path, yaw, expected_rad):
    raw = opened(tmp_path, OfficialConfig("clevr", str(download), yaw=yaw))
    obj = raw.scenes("train")[0].objects[0]
    turn = math.remainder(yaw_from_quat(obj.rotation) - expected_rad, 2 * math.pi)
    assert turn == pytest.approx(0, abs=1e-9)


def test_limit_keeps_the_first_scenes_and_their_images(download, tmp_path):
    config = OfficialConfig("clevr", str(download), {"train": 2, "val_ID": 99})
    raw = opened(tmp_path, config)
    names = [f"CLEVR_train_{index:06d}.png" for index in range(2)]
    assert [scene.image_filename for scene in raw.scenes("train")] == names
    assert raw.filenames("train") == names
    assert len(raw.scenes("val_ID")) == len(raw.filenames("val_ID")) == COUNT
    again = pickle.loads(pickle.dumps(raw))
    assert len(again.scenes("train")) == 2


def test_missing_files_are_all_named(download, tmp_path):
    config = OfficialConfig("so3", str(write_download(tmp_path)))
    (config.folder / "images" / "train.tar").unlink()
    (config.folder / "labels" / "val_OOD.json").unlink()
    with pytest.raises(ShardError, match=r"images/train.tar, labels/val_OOD.json not"):
        check_download(config.folder, config.splits)


def test_cut_tar_is_named(download, tmp_path):
    config = OfficialConfig("6dof", str(write_download(tmp_path)))
    tar = config.folder / "images" / "train.tar"
    tar.write_bytes(tar.read_bytes()[:1500])
    raw = opened(tmp_path, config)
    with pytest.raises(ShardError, match=r"train.tar: the tar is cut off or damaged"):
        raw.filenames("train")


def test_label_without_image_is_named(tmp_path):
    config = OfficialConfig("6dof", str(write_download(tmp_path)))
    tar = config.folder / "images" / "train.tar"
    write_images(tar, {"6DoF_train_000000.png": picture(0)})
    raw = opened(tmp_path, config)
    with pytest.raises(ShardError, match="no tar of split train holds '6DoF_train_0"):
        raw.image("train", "6DoF_train_000001.png")


def test_label_without_coordinates_is_named(tmp_path):
    config = OfficialConfig("so3", str(write_download(tmp_path)))
    path = config.folder / "labels" / "val_ID.json"
    scenes = json.loads(path.read_text())
    del scenes[1]["objects"][0]["3d_coords"]
    path.write_text(json.dumps(scenes))
    raw = opened(tmp_path, config)
    with pytest.raises(LabelError, match=r"val_ID.json, scene 1 .*'3d_coords'"):
        raw.scenes("val_ID")


def test_broken_pointer_is_named(tmp_path):
    (tmp_path / POINTER).write_text('{"folder": "x", "yaw":')
    with pytest.raises(ShardError, match=r"source.json: .*remove it"):
        open_raw(tmp_path)
