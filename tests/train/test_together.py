"""Several processes, accumulation and DeepSpeed learn what one process learns."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from igllm_pipelines.model.storage import load_model
from igllm_pipelines.train import launch
from igllm_pipelines.train.checkpoints import CheckpointError
from igllm_pipelines.train.group import _free_port
from igllm_pipelines.train.trainer import NonFiniteLossError, checkpoint_bytes
from igllm_pipelines.train.zero import find_spec
from tests.train import tiny, together
from tests.train.processes import run_processes, succeeded

ROOT = Path(__file__).resolve().parents[2]
needs_deepspeed = pytest.mark.skipif(
    find_spec("deepspeed") is None, reason="DeepSpeed is not installed"
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return together.run(tmp_path_factory.mktemp("alone"))


def assert_alike(model, history, alone, tolerance=1e-3):
    other_model, other_history = alone
    assert len(history) == len(other_history) > 6
    for record, other in zip(history, other_history, strict=True):
        assert record.keys() == other.keys()
        for name in record:
            assert record[name] == pytest.approx(other[name], abs=tolerance), record
    for (name, weight), other in zip(
        learned_weights(model), learned_weights(other_model), strict=True
    ):
        torch.testing.assert_close(
            weight,
            other[1],
            rtol=0,
            atol=5 * tolerance,
            msg=lambda m, n=name: f"{n}: {m}",
        )


def assert_size_is_foreseen(model, files, *, deepspeed):
    size = sum(path.stat().st_size for path in files)
    foreseen = checkpoint_bytes(model, deepspeed=deepspeed)
    assert 0.8 * foreseen < size < 1.15 * foreseen


def learned_weights(model):
    """All weights but biases of keys.

    A softmax does not feel them: their gradients are rounding errors, which Adam makes
    as large as any other.
    """
    for name, weight in model.state_dict().items():
        if name.endswith("in_proj_bias"):
            query, _, value = weight.chunk(3)
            yield name, torch.cat([query, value])
        else:
            yield name, weight


def stored(folder):
    return load_model(folder / "model"), json.loads(
        (folder / "history.json").read_text()
    )


def trained(folder, settings, kill_at=0):
    """What a process does; the last of several kills itself at a batch."""
    scenes = tiny.setting()[0]
    dying = together.DyingImages(scenes, folder / "died", kill_at)
    together.run(folder, dying, **settings)


def launched_by_deepspeed(folder, **settings):
    """The training in two processes that the ``deepspeed`` command starts."""
    launcher = ("deepspeed.launcher.runner", "--num_gpus", "2", "--no_local_rank")
    program = ("tests.train.together", str(folder), json.dumps(settings))
    port = ("--master_port", str(_free_port()))
    return subprocess.run(
        [sys.executable, "-m", *launcher, *port, "--module", *program],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
        capture_output=True,
        text=True,
    )


def test_size_of_a_checkpoint_is_foreseen(tmp_path):
    model, _ = together.run(tmp_path)
    checkpoint = tmp_path / "checkpoints/checkpoint-12"
    files = [checkpoint / name for name in ("model.safetensors", "optimizer.pt")]
    assert_size_is_foreseen(model, files, deepspeed=False)


@pytest.mark.parametrize("pieces", [2, 4])
def test_accumulation_equals_one_pass(tmp_path, alone, pieces):
    found = together.run(tmp_path, gradient_accumulation=pieces)
    assert_alike(*found, alone, tolerance=1e-5)


def test_gradient_checkpointing_changes_nothing(tmp_path, alone):
    found = together.run(tmp_path, gradient_checkpointing=True)
    assert_alike(*found, alone, tolerance=1e-5)


def test_half_precision_learns_alike(tmp_path, alone):
    model, history = together.run(tmp_path, precision="bf16")
    losses = [[r["ce"] for r in h if "ce" in r] for h in (history, alone[1])]
    assert losses[0] == pytest.approx(losses[1], abs=0.05)
    assert losses[0] != losses[1]
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


@pytest.mark.slow
@needs_deepspeed
def test_processes_of_the_deepspeed_command_equal_one(tmp_path, alone):
    process = launched_by_deepspeed(tmp_path, deepspeed="zero2")
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-6000:]
    assert_alike(*stored(tmp_path), alone)


@pytest.mark.slow
@needs_deepspeed
@pytest.mark.parametrize("deepspeed", ["zero2", "zero3"])
def test_deepspeed_in_one_process_equals_a_run_without(tmp_path, alone, deepspeed):
    succeeded(trained, tmp_path, {"deepspeed": deepspeed}, folder=tmp_path)
    assert_alike(*stored(tmp_path), alone)


@pytest.mark.slow
@pytest.mark.parametrize(
    "deepspeed",
    [
        None,
        *(
            pytest.param(name, marks=needs_deepspeed)
            for name in ("zero1", "zero2_offload", "zero3_offload")
        ),
    ],
)
def test_two_processes_equal_one(tmp_path, alone, deepspeed):
    settings = {"deepspeed": deepspeed, "gradient_accumulation": 2}
    succeeded(trained, tmp_path, settings, folder=tmp_path, size=2)
    assert_alike(*stored(tmp_path), alone)
    if deepspeed:
        state = (tmp_path / "checkpoints/checkpoint-12/global_step12").iterdir()
        assert_size_is_foreseen(alone[0], state, deepspeed=True)


def unbroken_then_killed(folder, settings):
    """Two trainings: one to its end, and one whose second process kills itself."""
    together.run(folder / "unbroken", **settings)
    trained(folder, settings, kill_at=7)


@pytest.mark.slow
@pytest.mark.parametrize(
    "deepspeed",
    [
        None,
        pytest.param("zero2", marks=needs_deepspeed),
        pytest.param("zero3", marks=needs_deepspeed),
    ],
)
def test_killed_processes_resume_to_the_same_run(tmp_path, deepspeed):
    dropout = {"vision_dropout": 0.1}  # so that random states count
    settings = {"deepspeed": deepspeed, "model_settings": dropout}
    codes, _ = run_processes(
        *(unbroken_then_killed, tmp_path, settings),
        folder=tmp_path / "first",
        size=2,
        timeout=90,
    )
    assert codes[1] == -signal.SIGKILL
    assert codes[0]
    left = {path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")}
    assert left == {"checkpoint-4"}
    succeeded(trained, tmp_path, settings, 7, folder=tmp_path / "second", size=2)
    assert_alike(*stored(tmp_path), stored(tmp_path / "unbroken"), tolerance=1e-6)


@pytest.fixture(scope="module")
def ray():
    """Ray, started once for all tests here."""
    with launch._ray(2):
        yield


@pytest.mark.slow
@needs_deepspeed
def test_two_ray_workers_with_zero2_equal_one_process(tmp_path, alone, ray):
    found = together.run(tmp_path, workers=2, deepspeed="zero2")
    assert_alike(*found, alone)
    assert_alike(*stored(tmp_path), alone)
    left = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert left == {"checkpoint-12", "fingerprint.json"}


@pytest.mark.slow
@needs_deepspeed
def test_killed_ray_workers_with_zero3_go_on_by_themselves(
    tmp_path, alone, ray, caplog
):
    scenes = tiny.setting()[0]
    dying = together.DyingImages(scenes, tmp_path / "died", kill_at=7)
    with caplog.at_level(logging.WARNING):
        found = together.run(tmp_path, dying, workers=2, deepspeed="zero3")
    assert_alike(*found, alone)
    assert (tmp_path / "died").exists()
    assert "started again from the last whole checkpoint" in caplog.text


class NoImages(tiny.DotImages):
    def batch(self, split, filenames):
        return super().batch(split, filenames).astype("float32") * float("nan")


@pytest.mark.slow
def test_error_of_a_ray_worker_arrives(tmp_path, ray):
    scenes = tiny.setting()[0]
    with pytest.raises((NonFiniteLossError, ValueError), match="not finite|features"):
        together.run(tmp_path, NoImages(scenes), workers=2)


@needs_deepspeed
def test_checkpoint_of_another_stage_is_refused_not_removed(tmp_path, monkeypatch):
    together.run(tmp_path)
    monkeypatch.setattr(
        "igllm_pipelines.train.trainer.ModelTrainer.layout",
        lambda self: {"processes": 2, "zero_stage": 2},
    )
    with pytest.raises(CheckpointError, match="Go on as it was started"):
        together.run(tmp_path)
    assert (tmp_path / "checkpoints/checkpoint-12").is_dir()
