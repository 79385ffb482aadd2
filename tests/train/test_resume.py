import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from igllm_pipelines.model.storage import load_model
from tests.train import tiny

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.slow
def test_kill_9_and_the_same_command_again_equals_an_unbroken_run(tmp_path, unbroken):
    command = [sys.executable, "-m", "tests.train.tiny", str(tmp_path)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*command, "0.5"], cwd=ROOT, env=env) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "checkpoints/checkpoint-4").is_dir():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "model").exists()
    subprocess.run([*command, "0"], cwd=ROOT, env=env, check=True, timeout=120)
    history = json.loads((tmp_path / "history.json").read_text())
    assert_same(load_model(tmp_path / "model"), history, *unbroken)
