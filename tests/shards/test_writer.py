"""Raw folders: whole, resumed, grown, shrunk, made anew."""

import json
import shutil
import time
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

from igllm_pipelines.shards.raw import RawData
from igllm_pipelines.shards.tar import ShardError
from igllm_pipelines.shards.writer import RawWriter, write_raw
from tests.shards.samples import Job, sample

COUNTS = {"train": 7, "val_ID": 2}


def content(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".index" not in path.parts and path.name != ".lock"
    }


@pytest.fixture
def unbroken(tmp_path):
    write_raw(tmp_path / "unbroken", Job(COUNTS))
    return content(tmp_path / "unbroken")


def test_files_of_a_whole_folder(unbroken):
    assert list(unbroken) == [
        "fingerprint.json",
        "images/train-00000.tar",
        "images/train-00001.tar",
        "images/train-00002.tar",
        "images/val_ID-00000.tar",
        "labels/train.json",
        "labels/val_ID.json",
    ]
    labels = json.loads(unbroken["labels/train.json"])
    assert labels["info"] == {"generator": "test", "split": "train"}
    names = [scene["image_filename"] for scene in labels["scenes"]]
    assert names == [f"train_{index:03d}.png" for index in range(7)]


@pytest.mark.parametrize("stop_after", [0, 1, 4, 8])
def test_broken_off_and_resumed_equals_unbroken(tmp_path, unbroken, stop_after):
    root = tmp_path / "raw"
    with pytest.raises(KeyboardInterrupt):
        write_raw(root, Job(COUNTS, stop_after=stop_after))
    assert not (root / "labels").exists()
    again = Job(COUNTS)
    write_raw(root, again)
    assert len(again.made) == 9 - stop_after
    assert content(root) == unbroken


def test_finished_folder_is_left_alone(tmp_path, unbroken):
    root = tmp_path / "unbroken"
    again = Job(COUNTS)
    write_raw(root, again)
    assert again.made == []
    assert content(root) == unbroken


@pytest.mark.parametrize(
    "other", [{"fingerprint": {"seed": 1}}, {"scenes_per_shard": 2}]
)
def test_other_parameters_make_all_anew(tmp_path, unbroken, other):
    again = Job(COUNTS, **other)
    write_raw(tmp_path / "unbroken", again)
    assert len(again.made) == 9
    write_raw(tmp_path / "fresh", Job(COUNTS, **other))
    assert content(tmp_path / "unbroken") == content(tmp_path / "fresh")


@pytest.mark.parametrize("killed_at", [0, 1])
@pytest.mark.parametrize("seed", [0, 1])
def test_killed_while_the_folder_is_emptied(
    tmp_path, unbroken, monkeypatch, killed_at, seed
):
    root, remove, emptied = tmp_path / "unbroken", shutil.rmtree, []

    def die_after(folder):
        remove(folder)
        emptied.append(folder)
        if len(emptied) > killed_at:
            raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", die_after)
    with pytest.raises(KeyboardInterrupt):
        write_raw(root, Job(COUNTS, fingerprint={"seed": 1}))
    monkeypatch.undo()
    job = Job(COUNTS, fingerprint={"seed": seed})
    write_raw(root, job)
    write_raw(tmp_path / "fresh", Job(COUNTS, fingerprint={"seed": seed}))
    assert content(root) == content(tmp_path / "fresh")


def test_other_parameters_drop_half_made_shards_too(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_raw(tmp_path, Job(COUNTS, stop_after=4))
    again = Job(COUNTS, fingerprint={"seed": 1})
    write_raw(tmp_path, again)
    assert len(again.made) == 9


@pytest.mark.parametrize("counts", [{"train": 8, "val_ID": 4}, {"train": 4}])
def test_more_or_fewer_scenes_keep_what_fits(tmp_path, unbroken, counts):
    again = Job(counts)
    write_raw(tmp_path / "unbroken", again)
    assert len(again.made) == sum(max(n - COUNTS[s], 0) for s, n in counts.items())
    write_raw(tmp_path / "fresh", Job(counts))
    assert content(tmp_path / "unbroken") == content(tmp_path / "fresh")


def test_missing_and_truncated_shards_are_made_again(tmp_path, unbroken, caplog):
    root = tmp_path / "unbroken"
    (root / "images" / "val_ID-00000.tar").unlink()
    with (root / "images" / "train-00001.tar").open("r+b") as file:
        file.truncate(700)
    again = Job(COUNTS)
    write_raw(root, again)
    assert sorted(again.made) == [
        *(("train", index) for index in (3, 4, 5)),
        *(("val_ID", index) for index in (0, 1)),
    ]
    assert content(root) == unbroken
    assert "train-00001.tar" in caplog.text


def test_overwritten_shard_of_the_same_size_is_made_again(tmp_path, unbroken, caplog):
    shard = tmp_path / "unbroken" / "images" / "train-00000.tar"
    size = shard.stat().st_size
    shard.write_bytes(b"\1" * size)
    again = Job(COUNTS)
    write_raw(tmp_path / "unbroken", again)
    assert sorted(again.made) == [("train", index) for index in range(3)]
    assert content(tmp_path / "unbroken") == unbroken
    assert "train-00000.tar" in caplog.text


def test_labels_follow_a_split_that_loses_a_whole_shard(tmp_path):
    write_raw(tmp_path, Job({"train": 6}))
    write_raw(tmp_path, Job({"train": 3}))
    assert len(RawData(tmp_path).scenes("train")) == 3


def test_half_written_files_are_removed(tmp_path, unbroken):
    root = tmp_path / "unbroken"
    (root / "images" / ".train-00000.tar.partial").write_bytes(b"x")
    write_raw(root, Job(COUNTS))
    assert content(root) == unbroken


def test_folder_of_other_origin_is_not_emptied(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "train.tar").write_bytes(b"official")
    with pytest.raises(ShardError, match="were not rendered here"):
        write_raw(tmp_path, Job(COUNTS))
    assert (tmp_path / "images" / "train.tar").read_bytes() == b"official"


def test_second_writer_is_refused(tmp_path):
    job = Job(COUNTS)
    with RawWriter(tmp_path, job) as writer:
        writer.add(sample("train", 0))
        with pytest.raises(ShardError, match="another process"):
            write_raw(tmp_path, job)
    write_raw(tmp_path, job)


def test_finish_with_missing_scenes_is_an_error(tmp_path):
    missing = pytest.raises(ShardError, match="9 scenes are missing")
    with RawWriter(tmp_path, Job(COUNTS)) as writer, missing:
        writer.finish()


def test_split_without_scenes(tmp_path):
    write_raw(tmp_path, Job({"train": 2, "val_ID": 0}))
    assert RawData(tmp_path).scenes("val_ID") == []


class Endless(Job):
    """Makes scenes in order, one at a time, and breaks off."""

    def filename(self, split, index):
        return f"{split}_{index:06d}.png"

    def run(self, missing, count):
        for split, index in islice(missing, self.stop_after):
            self.made.append((split, index))
            yield sample(split, index, 0)
        raise KeyboardInterrupt


def test_a_million_scenes_need_no_list(tmp_path):
    job = Endless({"train": 1_000_000}, scenes_per_shard=500, stop_after=1200)
    tracemalloc.start()
    with RawWriter(tmp_path, job) as writer:
        start = time.process_time()
        assert writer.num_missing() == 1_000_000
        assert next(writer.missing()) == ("train", 0)
        assert time.process_time() - start < 1
    with pytest.raises(KeyboardInterrupt):
        write_raw(tmp_path, job)
    with RawWriter(tmp_path, job) as writer:
        assert writer.num_missing() == 1_000_000 - 1200
        assert next(writer.missing()) == ("train", 1200)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6
    assert len(list((tmp_path / "images").glob("*.tar"))) == 2
