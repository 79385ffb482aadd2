"""Official downloads pass the checks without our extra fields; broken ones do not."""

import json

import pytest

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.official import OfficialConfig
from igllm_pipelines.domains.sources import scene_config
from igllm_pipelines.shards.raw import RawData
from igllm_pipelines.shards.tar import ShardError
from igllm_pipelines.shards.writer import write_raw
from igllm_pipelines.validation.report import validate_raw
from tests.shards.official_trees import picture, write_download, write_images
from tests.shards.samples import DrawnJob


@pytest.fixture(scope="module")
def download(tmp_path_factory):
    return write_download(tmp_path_factory.mktemp("official"))


def failed(raw, config) -> set[str]:
    report = validate_raw(raw, config).report
    return {check["check"] for check in report["checks"] if not check["valid"]}


def opened(root, domain, **given):
    config = scene_config(domain, {"source": "official", "root": str(root), **given})
    assert isinstance(config, OfficialConfig)
    return RawData(config.folder, config.yaw, config.num_scenes), config


@pytest.mark.parametrize("domain", [d for d in DOMAINS if d != "2d"])
@pytest.mark.parametrize("limits", [{}, {"train": 2}])
def test_download_is_valid(download, domain, limits):
    assert failed(*opened(download, domain, num_scenes=limits)) == set()


def test_dots_are_valid(download, tmp_path):
    given = {"source": "official", "root": str(download), "num_scenes": {"val_ID": 5}}
    source = scene_config("2d", given)
    write_raw(tmp_path, DrawnJob(source))
    assert failed(RawData(tmp_path), source) == set()


def change_object(root, folder, split, **changes):
    path = root / folder / "labels" / f"{split}.json"
    content = json.loads(path.read_text())
    scenes = content["scenes"] if isinstance(content, dict) else content
    scenes[1]["objects"][0].update(changes)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"shape": "cone"}, "shape is a known word"),
        ({"shape": "cube", "color": "cyan"}, "colors follow CoGenT condition A"),
        ({"material": None}, "material is given"),
        ({"3d_coords": ["x", 0, 0]}, "labels can be read"),
    ],
)
def test_broken_label_is_found(tmp_path, changes, check):
    write_download(tmp_path)
    change_object(tmp_path, "CLEVR", "train", **changes)
    assert check in failed(*opened(tmp_path, "clevr"))


def test_label_without_image_is_found(tmp_path):
    write_download(tmp_path)
    tar = tmp_path / "6DoF" / "images" / "train.tar"
    write_images(tar, {"6DoF_train_000000.png": picture(0)})
    assert failed(*opened(tmp_path, "6dof")) == {"every label has its image"}


def test_image_without_label_is_found(tmp_path):
    write_download(tmp_path)
    path = tmp_path / "SO3" / "labels" / "val_ID.json"
    path.write_text(json.dumps(json.loads(path.read_text())[:-1]))
    assert failed(*opened(tmp_path, "so3")) == {"every image has its label"}


def test_missing_tar_is_an_error(tmp_path):
    write_download(tmp_path)
    (tmp_path / "SO3" / "images" / "val_ID.tar").unlink()
    with pytest.raises(ShardError, match="no tar of split val_ID"):
        failed(*opened(tmp_path, "so3"))
