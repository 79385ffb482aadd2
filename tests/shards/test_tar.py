"""Tar files: the same bytes each time, random access, damage."""

import io
import os
import pickle
import subprocess
import sys
import tarfile

import pytest

from igllm_pipelines.shards.tar import (
    ShardError,
    TarIndex,
    read_members,
    write_tar,
)

MEMBERS = [("a.json", b"{}"), ("a.png", b"x" * 700), ("b.json", b""), ("b.png", b"yz")]


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "train-00000.tar"
    write_tar(path, MEMBERS)
    return path


def test_any_tar_program_reads_it(shard):
    with tarfile.open(shard) as tar:
        found = [(m.name, tar.extractfile(m).read(), m.mtime, m.uid) for m in tar]
    assert found == [(name, data, 0, 0) for name, data in MEMBERS]


def test_same_members_same_bytes(shard, tmp_path):
    write_tar(tmp_path / "again.tar", MEMBERS)
    assert (tmp_path / "again.tar").read_bytes() == shard.read_bytes()


def test_failing_writer_leaves_no_tar(tmp_path):
    def members():
        yield "a.png", b"x"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_tar(tmp_path / "x.tar", members())
    assert not (tmp_path / "x.tar").exists()


def test_members_in_any_order(shard):
    index = TarIndex(shard)
    assert [index.read(name) for name, _ in reversed(MEMBERS)] == [
        data for _, data in reversed(MEMBERS)
    ]
    assert list(read_members(shard)) == MEMBERS


def test_index_is_stored_and_used(shard, monkeypatch):
    TarIndex(shard).read("a.png")
    monkeypatch.setattr("igllm_pipelines.shards.tar.scan", None)
    assert TarIndex(shard).read("b.png") == b"yz"


def test_index_of_another_size_is_rebuilt(shard):
    TarIndex(shard).read("a.png")
    write_tar(shard, [("c.png", b"new"), *MEMBERS])
    assert TarIndex(shard).read("c.png") == b"new"


def test_replaced_tar_of_the_same_size_is_noticed(shard):
    index = TarIndex(shard)
    index.read("a.png")
    size = shard.stat().st_size
    write_tar(shard, [MEMBERS[2], MEMBERS[3], MEMBERS[0], MEMBERS[1]])
    assert shard.stat().st_size == size
    assert index.read("a.png") == MEMBERS[1][1]
    assert TarIndex(shard).read("b.png") == b"yz"


def test_damaged_index_is_rebuilt(shard):
    TarIndex(shard).read("a.png")
    (shard.parent / ".index" / f"{shard.name}.json").write_text("{")
    assert TarIndex(shard).read("b.png") == b"yz"


@pytest.mark.parametrize("keep", [0, 100, 600, 1500, 2100])
def test_truncated_tar_is_named(shard, keep):
    with shard.open("r+b") as file:
        file.truncate(keep)
    with pytest.raises(ShardError, match=r"train-00000.tar.*cut off.*run the"):
        list(read_members(shard))


def test_truncation_behind_a_stored_index_is_named(shard):
    TarIndex(shard).read("a.png")
    with shard.open("r+b") as file:
        file.truncate(1100)
    with pytest.raises(ShardError, match="cut off"):
        TarIndex(shard).read("b.png")


def test_missing_tar_and_missing_member(shard):
    with pytest.raises(ShardError, match=r"no such file"):
        TarIndex(shard.with_name("other.tar")).read("a.png")
    with pytest.raises(ShardError, match=r"no member 'c.png'"):
        TarIndex(shard).read("c.png")


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "x/../../a.png", "..\\a.png"])
def test_member_that_would_leave_its_folder(tmp_path, name):
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(ShardError, match="would leave its folder"):
        list(read_members(path))
    with pytest.raises(ShardError, match="would leave its folder"):
        write_tar(tmp_path / "new.tar", [(name, b"")])


def test_long_official_names_are_read(tmp_path):
    path, name = tmp_path / "long.tar", f"{'folder/' * 30}{'n' * 120}.png"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("folder/"))
        info = tarfile.TarInfo(name)
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    assert TarIndex(path).read(name) == b"abc"


def test_index_after_pickling_and_after_a_fork(shard):
    index = TarIndex(shard)
    index.read("a.png")
    assert pickle.loads(pickle.dumps(index)).read("b.png") == b"yz"
    child = os.fork()
    if child == 0:
        good = all(index.read("a.png") == MEMBERS[1][1] for _ in range(200))
        os._exit(0 if good else 1)
    assert all(index.read("b.png") == b"yz" for _ in range(200))
    assert os.waitpid(child, 0)[1] == 0


MEASURE_SCAN = """
import sys, tracemalloc
from pathlib import Path
from igllm_pipelines.shards.tar import scan
tracemalloc.start()
print(len(scan(Path(sys.argv[1]))), tracemalloc.get_traced_memory()[1])
"""


def test_members_of_a_large_tar_take_little_memory(tmp_path):
    path = tmp_path / "a.tar"
    write_tar(path, ((f"{index:06d}.png", b"") for index in range(5000)))
    # a process of its own: threads of earlier tests would be measured too
    measure = [sys.executable, "-c", MEASURE_SCAN, path]
    count, peak = map(int, subprocess.check_output(measure).split())
    assert count == 5000
    assert peak < 1.5e6
