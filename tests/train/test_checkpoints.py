import errno
import logging

import pytest

from igllm_pipelines.train import checkpoints


def written(folder, step, text="weights"):
    partial = folder / checkpoints.PARTIAL / f"checkpoint-{step}"
    partial.mkdir(parents=True)
    (partial / "model").write_text(text)
    checkpoints.seal(partial, folder / f"checkpoint-{step}")


def test_last_whole_goes_by_number(tmp_path):
    for step in (20, 100, 9):
        written(tmp_path, step)
    assert checkpoints.last_whole(tmp_path).name == "checkpoint-100"


def test_last_whole_skips_what_is_broken(tmp_path, caplog):
    for step in (1, 2, 3):
        written(tmp_path, step)
    (tmp_path / "checkpoint-3/model").unlink()
    (tmp_path / "checkpoint-2/model").write_text("weig")
    with caplog.at_level(logging.WARNING):
        assert checkpoints.last_whole(tmp_path).name == "checkpoint-1"
    assert "checkpoint-3 is broken" in caplog.text
    assert "checkpoint-2 is broken" in caplog.text


def test_last_whole_of_nothing(tmp_path):
    assert checkpoints.last_whole(tmp_path) is None


def test_half_written_checkpoint_is_removed(tmp_path):
    checkpoints.prepare(tmp_path, "digest")
    (tmp_path / checkpoints.PARTIAL / "checkpoint-4").mkdir(parents=True)
    checkpoints.prepare(tmp_path, "digest")
    assert checkpoints.last_whole(tmp_path) is None
    assert not (tmp_path / checkpoints.PARTIAL).exists()


def test_prepare_keeps_the_same_and_removes_another_run(tmp_path, caplog):
    checkpoints.prepare(tmp_path, "one")
    written(tmp_path, 5)
    checkpoints.prepare(tmp_path, "one")
    assert checkpoints.last_whole(tmp_path) is not None
    checkpoints.prepare(tmp_path, "two")
    assert checkpoints.last_whole(tmp_path) is None
    assert "another configuration" in caplog.text


def test_prepare_removes_checkpoints_without_fingerprint(tmp_path):
    written(tmp_path, 5)
    checkpoints.prepare(tmp_path, "one")
    assert checkpoints.last_whole(tmp_path) is None


def test_keep_newest(tmp_path):
    for step in (8, 9, 10):
        written(tmp_path, step)
    checkpoints.keep_newest(tmp_path, 2)
    assert sorted(p.name for p in tmp_path.glob("checkpoint-*")) == [
        "checkpoint-10",
        "checkpoint-9",
    ]


def test_fingerprint_knows_values_not_their_order():
    one = checkpoints.fingerprint({"a": 1, "b": [1, 2]})
    assert one == checkpoints.fingerprint({"b": [1, 2], "a": 1})
    assert one != checkpoints.fingerprint({"a": 1, "b": [2, 1]})


def test_failed_write_names_reason_and_last_checkpoint(tmp_path):
    written(tmp_path, 5)
    (tmp_path / checkpoints.PARTIAL).mkdir(exist_ok=True)
    with (
        pytest.raises(checkpoints.CheckpointError, match=r"no room.*checkpoint-5"),
        checkpoints.writing(tmp_path, "checkpoint-6"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not (tmp_path / checkpoints.PARTIAL).exists()


def test_torch_hides_the_full_disk_in_a_runtime_error(tmp_path):
    text = "[enforce fail] . PytorchStreamWriter failed writing file data/2"
    with (
        pytest.raises(checkpoints.CheckpointError, match="full or failed"),
        checkpoints.writing(tmp_path, "checkpoint-6"),
    ):
        raise RuntimeError(text)


def test_other_errors_while_writing_pass(tmp_path):
    with (
        pytest.raises(RuntimeError, match="gloo"),
        checkpoints.writing(tmp_path, "checkpoint-6"),
    ):
        raise RuntimeError("gloo: connection closed by peer")


def test_fingerprint_survives_a_full_disk(tmp_path, monkeypatch):
    checkpoints.prepare(tmp_path, "one")
    written(tmp_path, 5)

    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_text", fail)
    checkpoints.prepare(tmp_path, "one")
    assert checkpoints.last_whole(tmp_path).name == "checkpoint-5"


def test_plain_checkpoints_fit_any_number_of_processes(tmp_path):
    checkpoints.write_layout(tmp_path, processes=2, zero_stage=0)
    checkpoints.check_layout(tmp_path, processes=8, zero_stage=0)


@pytest.mark.parametrize("wanted", [(2, 3), (1, 2), (2, 0)])
def test_deepspeed_checkpoints_fit_their_own_layout_only(tmp_path, wanted):
    checkpoints.write_layout(tmp_path, processes=2, zero_stage=2)
    checkpoints.check_layout(tmp_path, processes=2, zero_stage=2)
    processes, stage = wanted
    with pytest.raises(checkpoints.CheckpointError, match="written by 2 process"):
        checkpoints.check_layout(tmp_path, processes=processes, zero_stage=stage)
