import json
import logging
import random
import resource
import shutil
import signal
from dataclasses import replace
from functools import partial

import pytest
import torch

from igllm_pipelines.model.storage import load_model
from igllm_pipelines.tokens.sequences import ProgramTokens
from igllm_pipelines.train.checkpoints import CheckpointError
from igllm_pipelines.train.run import run_digest
from tests.train import tiny
from tests.train.processes import run_processes


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return tiny.run(tmp_path_factory.mktemp("unbroken"))


class StopHereError(Exception):
    pass


class StoppingImages(tiny.DotImages):
    """Fails at one batch, as a full disk or a reboot would."""

    def __init__(self, scenes, batches):
        super().__init__(scenes)
        self._left = batches

    def batch(self, split, filenames):
        if len(filenames) == tiny.CONFIG.batch_size:  # not the fingerprint's look
            self._left -= 1
        if self._left < 0:
            raise StopHereError
        return super().batch(split, filenames)


def stopped(folder, batches, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(tiny, "DotImages", lambda s, d: StoppingImages(s, batches))
        with pytest.raises(StopHereError):
            tiny.run(folder)
    return sorted(p.name for p in (folder / "checkpoints").glob("checkpoint-*"))


def assert_same(model, history, other_model, other_history):
    assert history == other_history
    for (name, weight), other in zip(
        model.state_dict().items(), other_model.state_dict().values(), strict=True
    ):
        assert torch.equal(weight, other), name


def test_resume_equals_an_unbroken_run(tmp_path, unbroken, monkeypatch):
    assert stopped(tmp_path, 11, monkeypatch) == ["checkpoint-4", "checkpoint-8"]
    assert_same(*tiny.run(tmp_path), *unbroken)


def test_a_finished_run_is_not_trained_again(tmp_path, unbroken, monkeypatch):
    tiny.run(tmp_path)
    assert len(list((tmp_path / "checkpoints").glob("checkpoint-*"))) == 1
    monkeypatch.setattr(tiny, "DotImages", lambda s, d: StoppingImages(s, 0))
    assert_same(*tiny.run(tmp_path), *unbroken)


def test_broken_checkpoint_is_skipped_for_the_last_whole_one(
    tmp_path, unbroken, monkeypatch, caplog
):
    stopped(tmp_path, 11, monkeypatch)
    weights = tmp_path / "checkpoints/checkpoint-8/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with caplog.at_level(logging.INFO):
        assert_same(*tiny.run(tmp_path), *unbroken)
    assert "checkpoint-8 is broken" in caplog.text
    assert "checkpoint-4" in caplog.text


def test_checkpoints_of_another_configuration_are_removed(
    tmp_path, monkeypatch, caplog
):
    stopped(tmp_path, 11, monkeypatch)
    other = replace(tiny.CONFIG, learning_rate=1e-4)
    fresh = tiny.run(tmp_path / "fresh", config=other)
    assert_same(*tiny.run(tmp_path, config=other), *fresh)
    assert "another configuration" in caplog.text


def test_checkpoints_of_other_data_are_removed(tmp_path, monkeypatch, caplog):
    stopped(tmp_path, 11, monkeypatch)
    monkeypatch.setattr(tiny, "dots", dots_of_seed_1)
    tiny.run(tmp_path)
    assert "another configuration or data" in caplog.text


def dots_of_seed_1(count, dots=tiny.dots):
    return dots(count, seed=1)


def test_another_question_is_another_training():
    scenes, _, tokens, model = tiny.setting()
    images = tiny.DotImages(scenes)

    def digest(table):
        tokens = ProgramTokens(table)
        return run_digest(model, tokens, images, "train", config=tiny.CONFIG, seed=5)

    header = tokens.header | {"question": [*tokens.question_ids, tokens.pad_id]}
    other = tokens.table.replace_schema_metadata({"igllm": json.dumps(header)})
    assert digest(tokens.table) == digest(tokens.table)
    assert digest(tokens.table) != digest(other)


def test_full_disk_stops_with_a_clear_error_and_keeps_the_last_checkpoint(
    tmp_path, unbroken, monkeypatch
):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    class FillingImages(tiny.DotImages):
        def batch(self, split, filenames):
            if (tmp_path / "checkpoints/checkpoint-4").is_dir():
                resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
            return super().batch(split, filenames)

    try:
        with monkeypatch.context() as patch:
            patch.setattr(tiny, "DotImages", FillingImages)
            with pytest.raises(CheckpointError, match="no room on the disk") as caught:
                tiny.run(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "checkpoint-8 was not written" in str(caught.value)
    assert "last whole one is checkpoint-4" in str(caught.value)
    assert not (tmp_path / "checkpoints/.partial").exists()
    assert_same(*tiny.run(tmp_path), *unbroken)


def test_too_little_room_is_seen_before_writing(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(CheckpointError, match="there is none yet"):
        tiny.run(tmp_path)
    assert not list((tmp_path / "checkpoints").glob("checkpoint-*"))


LORA = {"lora_r": 4, "lora_dropout": 0.2, "lora_alpha": 8.0}


@pytest.mark.slow
@pytest.mark.parametrize("model", [{}, LORA], ids=["all", "lora"])
def test_kill_9_at_a_random_step_and_resume_equals_an_unbroken_run(tmp_path, model):
    if model:
        pytest.importorskip("peft")
    step = random.SystemRandom().randrange(1, tiny.CONFIG.steps + 1)

    def start(kill_at):
        run = partial(tiny.run, tmp_path, kill_at, **model)
        return run_processes(run, folder=tmp_path / f"kill_{kill_at}")

    assert start(step)[0] == [-signal.SIGKILL], step
    assert not (tmp_path / "model").exists()
    assert start(0) == ([0], ""), step
    history = json.loads((tmp_path / "history.json").read_text())
    unbroken = tiny.run(tmp_path / "unbroken", **model)
    assert_same(load_model(tmp_path / "model"), history, *unbroken)
