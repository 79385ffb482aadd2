"""Journals: what a killed run keeps."""

import resource
import signal

import pytest

from igllm_pipelines.shards.journal import Journal

SUFFIXES = ("json", "png")


def filled(path, count):
    journal = Journal(path, SUFFIXES)
    for index in range(count):
        journal.append(f"k{index}", {"json": b"{}", "png": bytes([index]) * 600})
    return journal


def test_samples_are_there_again(tmp_path):
    filled(tmp_path / "j", 3)
    journal = Journal(tmp_path / "j", SUFFIXES)
    assert journal.keys == {"k0", "k1", "k2"}
    assert journal.read("k1.png") == b"\1" * 600


@pytest.mark.parametrize("lost", [1, 511, 1024, 1500, 2047])
def test_half_written_sample_is_cut_off(tmp_path, lost):
    path = tmp_path / "j"
    filled(path, 3)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - lost)
    journal = Journal(path, SUFFIXES)
    assert journal.keys == {"k0", "k1"}
    assert path.stat().st_size == size // 3 * 2
    journal.append("k2", {"json": b"{}", "png": b"new"})
    assert Journal(path, SUFFIXES).read("k2.png") == b"new"


def test_garbage_at_the_end_is_cut_off(tmp_path):
    path = tmp_path / "j"
    filled(path, 2)
    with path.open("ab") as file:
        file.write(b"\0" * 700)
    assert Journal(path, SUFFIXES).keys == {"k0", "k1"}


def test_empty_journal(tmp_path):
    (tmp_path / "j").touch()
    assert Journal(tmp_path / "j", SUFFIXES).keys == set()


def test_full_disk_is_an_error_and_loses_nothing(tmp_path, monkeypatch):
    journal = filled(tmp_path / "j", 2)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, ((tmp_path / "j").stat().st_size + 800, limits[1])
    )
    try:
        with pytest.raises(OSError, match="k2.*disk full"):
            journal.append("k2", {"json": b"{}", "png": b"x" * 5000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert Journal(tmp_path / "j", SUFFIXES).keys == {"k0", "k1"}
