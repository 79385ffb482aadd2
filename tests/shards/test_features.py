"""Cached features."""

import pickle
import shutil

import numpy as np
import pytest

from igllm_pipelines.shards.features import FeatureCache, FeatureWriter
from igllm_pipelines.shards.tar import ShardError

NAMES = ["a.png", "b.png", "c.png"]
VALUES = np.random.default_rng(0).normal(size=(3, 4, 8)).astype(np.float32)


@pytest.fixture
def cache(tmp_path):
    with FeatureWriter(tmp_path / "features") as writer:
        writer.write("train", NAMES, iter([VALUES[:2], VALUES[2:]]))
    return FeatureCache(tmp_path / "features")


def test_batches_come_back(cache):
    batch = cache.batch("train", ["c.png", "a.png", "c.png"])
    assert batch.dtype == np.float16
    assert np.allclose(batch, VALUES[[2, 0, 2]], atol=2e-3)
    assert cache.splits() == ["train"]
    assert cache.shape("train") == (3, 4, 8)


def test_pickled_cache(cache):
    cache.batch("train", NAMES)
    copy = pickle.loads(pickle.dumps(cache))
    assert (copy.batch("train", NAMES) == cache.batch("train", NAMES)).all()


def test_failed_writer_keeps_the_old_cache(cache):
    def batches():
        yield VALUES[:2]
        raise RuntimeError

    with pytest.raises(RuntimeError), FeatureWriter(cache.root) as writer:
        writer.write("train", NAMES, batches())
    assert cache.batch("train", NAMES).shape == (3, 4, 8)
    assert list(cache.root.parent.iterdir()) == [cache.root]


@pytest.mark.parametrize("count", [0, 2, 4])
def test_wrong_number_of_features(tmp_path, count):
    values = np.zeros((count, 4, 8))
    batches = [values] if count else []
    writer = FeatureWriter(tmp_path / "f")
    with pytest.raises(ValueError, match="3 images"), writer:
        writer.write("train", NAMES, batches)
    assert not (tmp_path / "f").exists()


def test_missing_split_and_image(cache):
    with pytest.raises(ShardError, match=r"no usable features of split val_ID"):
        cache.batch("val_ID", NAMES)
    with pytest.raises(ShardError, match=r"'x.png'.*run the feature node again"):
        cache.batch("train", ["x.png"])


def test_truncated_features(cache):
    with (cache.root / "train.npy").open("r+b") as file:
        file.truncate(150)
    with pytest.raises(ShardError, match="no usable features"):
        FeatureCache(cache.root).batch("train", NAMES)


def test_nothing_written_is_a_cache_of_no_split(tmp_path):
    with FeatureWriter(tmp_path / "features"):
        pass
    assert FeatureCache(tmp_path / "features").splits() == []


def test_full_disk_is_seen_before_anything_is_written(cache, monkeypatch):
    usage = shutil.disk_usage(cache.root)._replace(free=191)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    writer = FeatureWriter(cache.root)
    with pytest.raises(ShardError, match=r"1.92e-07 GB.*features.budget_gb"), writer:
        writer.write("train", NAMES, iter([VALUES]))
    assert cache.batch("train", NAMES).shape == (3, 4, 8)
