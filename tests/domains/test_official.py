"""Sources that are official downloads: parameters, limits, the dots of 2d.npz."""

import math

import numpy as np
import pytest

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.official import SPLITS, OfficialConfig, OfficialDots
from igllm_pipelines.domains.sources import scene_config
from tests.shards.official_trees import write_dots


def test_official_splits_are_splits_of_the_domains():
    assert set(SPLITS) == set(DOMAINS)
    for domain, splits in SPLITS.items():
        assert set(splits) <= set(DOMAINS[domain].splits)


@pytest.mark.parametrize("inside", ["", "CLEVR"])
def test_root_is_the_download_or_the_domains_folder(tmp_path, inside):
    (tmp_path / "CLEVR").mkdir()
    given = {"source": "official", "root": str(tmp_path / inside)}
    config = scene_config("clevr", given)
    assert isinstance(config, OfficialConfig)
    assert config.folder == tmp_path / "CLEVR"
    assert config.splits == ("train", "val_ID", "val_OOD")


def test_parameters_of_drawn_scenes_are_passed_over():
    base = {"num_scenes": {"train": 4000, "val_OOD_camera": 9}, "min_objects": 1}
    config = scene_config("shapenet", {**base, "source": "official", "root": "x"})
    assert config == OfficialConfig("shapenet", "x", {"train": 4000})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "needs root"),
        ({"root": "x", "yaw": "left"}, "yaw must be rendered or stated"),
        ({"root": "x", "rooot": "y"}, "rooot"),
        ({"root": "x", "num_scenes": {"test": 1}}, "unknown split 'test'"),
        ({"root": "x", "num_scenes": {"train": 0}}, "at least 1"),
        ({"root": "x", "source": "oficial"}, "source must be official"),
    ],
)
def test_bad_parameter_is_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        scene_config("clevr", {"source": "official", **parameters})


def dots(root, **parameters) -> OfficialDots:
    given = {"source": "official", "root": str(root), **parameters}
    config = scene_config("2d", given)
    assert isinstance(config, OfficialDots)
    return config


def test_dots_take_the_official_positions(tmp_path):
    write_dots(tmp_path / "2D" / "2d.npz", training=500)
    arrays = np.load(tmp_path / "2D" / "2d.npz")
    source = dots(tmp_path, width_px=56)
    assert source.num_scenes == {"train": 100, "val_ID": 400, "random": 7}
    for split, index, row in (("train", 99, 99), ("val_ID", 0, 100), ("random", 6, 6)):
        name = "random" if split == "random" else "checkerboard_sparse"
        (dot,) = source.draw(0, split, index, 0).objects
        assert dot.location == (*arrays[name][row], 0.0)
        assert dot.pixel_coords == pytest.approx((*(56 * arrays[name][row]), 0.0))


def test_limits_of_dots(tmp_path):
    write_dots(tmp_path / "2d.npz")
    limits = {"train": 5, "val_ID": 4, "random": 1000}
    source = dots(tmp_path, num_scenes=limits)
    assert source.num_scenes == {"train": 5, "val_ID": 4, "random": 7}
    assert source.digest != dots(tmp_path, num_scenes={"val_ID": 4}).digest
    with pytest.raises(ValueError, match=r"30 training dots leave none"):
        dots(tmp_path)


def _save(path, **arrays):
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.write_bytes(b"PK\3\4 cut off"), "cannot be read"),
        (lambda path: _save(path, random=np.zeros((3, 2))), "it holds random"),
        (
            lambda path: _save(
                path, checkerboard_sparse=np.zeros((9, 3)), random=np.zeros((3, 2))
            ),
            r"checkerboard_sparse must have the shape",
        ),
        (
            lambda path: _save(
                path,
                checkerboard_sparse=np.array([[0.1, 0.2], [0.3, math.nan]]),
                random=np.zeros((3, 2)),
            ),
            r"row 1 of checkerboard_sparse is \[0.3, nan\]",
        ),
    ],
)
def test_broken_positions_are_named(tmp_path, write, message):
    write(tmp_path / "2d.npz")
    with pytest.raises(ValueError, match=message):
        dots(tmp_path, num_scenes={"val_ID": 1})
