import json
from dataclasses import replace

import pytest

from igllm_pipelines.train import zero
from igllm_pipelines.train.config import TrainingConfig

deepspeed = pytest.mark.skipif(
    zero.find_spec("deepspeed") is None, reason="DeepSpeed is not installed"
)


def of(name):
    return replace(TrainingConfig(), deepspeed=str(name))


def written(folder, settings):
    file = folder / "own.json"
    file.write_text(json.dumps(settings))
    return of(file)


def test_without_deepspeed_there_is_no_stage():
    assert zero.deepspeed_settings(TrainingConfig()) is None
    assert zero.zero_stage(TrainingConfig()) == 0


@deepspeed
@pytest.mark.parametrize("name", zero.shipped_names())
def test_shipped_files_hold_the_stage_of_their_name(name):
    assert zero.zero_stage(of(name)) == int(name[4])
    settings = zero.deepspeed_settings(of(name))["zero_optimization"]
    assert ("offload_optimizer" in settings) == name.endswith("offload")


@deepspeed
def test_a_file_of_ones_own(tmp_path):
    config = written(tmp_path, {"zero_optimization": {"stage": 1}})
    assert zero.zero_stage(config) == 1


def test_unknown_name_is_refused_and_the_shipped_are_named():
    with pytest.raises(ValueError, match=r"zero4.*zero1, zero2"):
        zero.deepspeed_settings(of("zero4"))


@pytest.mark.parametrize("settings", [[], {}, {"zero_optimization": {"stage": 0}}])
def test_file_without_a_stage_is_refused(tmp_path, settings):
    with pytest.raises(ValueError, match="stage"):
        zero.deepspeed_settings(written(tmp_path, settings))


def test_casting_of_all_weights_is_refused(tmp_path):
    settings = {"zero_optimization": {"stage": 2}, "bf16": {"enabled": True}}
    with pytest.raises(ValueError, match=r"training\.precision"):
        zero.deepspeed_settings(written(tmp_path, settings))


def test_missing_deepspeed_is_said(monkeypatch):
    monkeypatch.setattr(zero, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install deepspeed"):
        zero.deepspeed_settings(of("zero2"))
