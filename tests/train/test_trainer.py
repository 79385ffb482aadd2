import math
from dataclasses import replace

import pytest
import torch

from igllm_pipelines.train import loop
from igllm_pipelines.train.callbacks import watching
from igllm_pipelines.train.trainer import NonFiniteLossError
from tests.train import tiny


def test_history_holds_losses_and_scores(tmp_path):
    _, history = tiny.run(tmp_path)
    losses = [record for record in history if "loss" in record]
    scores = [record for record in history if "val_error" in record]
    assert [r["step"] for r in losses] == [2, 4, 6, 8, 10, 12]
    assert [r["step"] for r in scores] == [3, 6, 9, 12]
    for r in losses:
        assert r["loss"] == pytest.approx(r["ce"] + r["number_mse"], rel=1e-5)
    assert losses[0]["learning_rate"] > losses[-1]["learning_rate"] > 0
    assert losses[-1]["ce"] < losses[0]["ce"]


def test_who_watches_hears_the_history_and_the_speed(tmp_path):
    told = []
    with watching(told.append):
        _, history = tiny.run(tmp_path / "watched")
    speeds = [record.pop("samples_per_second") for record in told if "loss" in record]
    assert len(speeds) == 6
    assert min(speeds) > 0
    assert told == history
    _, alone = tiny.run(tmp_path / "alone")
    assert alone == history
    assert len(told) == len(history)  # nobody watches any more


def test_training_learns_one_image(tmp_path):
    config = replace(
        tiny.CONFIG,
        steps=120,
        learning_rate=1e-2,
        num_samples=1,
        shuffle_attributes=False,
        log_every=20,
        save_every=0,
        validate_every=0,
    )
    _, history = tiny.run(tmp_path, config=config)
    assert history[-1]["ce"] < 0.1
    assert history[-1]["number_mse"] < 0.01


def test_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    runs = [tiny.run(tmp_path / str(i), seed=s)[0] for i, s in enumerate((5, 5, 6))]
    weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in runs]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_weights_that_are_not_finite_are_never_a_checkpoint(tmp_path, monkeypatch):
    class BrokenTrainer(loop.ModelTrainer):
        def training_step(self, model, inputs, *args):
            loss = super().training_step(model, inputs, *args)
            if self.state.global_step == 5:
                next(model.projector.parameters()).grad.fill_(math.inf)
            return loss

    monkeypatch.setattr(loop, "ModelTrainer", BrokenTrainer)
    config = replace(tiny.CONFIG, save_every=2, validate_every=0)
    with pytest.raises(NonFiniteLossError, match="no longer finite at step 6"):
        tiny.run(tmp_path, config=config)
    left = {path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")}
    assert left == {"checkpoint-2", "checkpoint-4"}


def test_nan_loss_stops_and_names_step_and_images(tmp_path, monkeypatch):
    def with_nan_number(count):
        scenes, tokenizer, tokens, model = original(count=count)
        sequence = tokens.sequence

        def broken(index, rng, **kwargs):
            found = sequence(index, rng, **kwargs)
            if index == 7:
                found.numbers[found.numbers > 0] = math.nan
            return found

        tokens.sequence = broken
        return scenes, tokenizer, tokens, model

    original = tiny.setting
    monkeypatch.setattr(tiny, "setting", lambda: with_nan_number(10))
    with pytest.raises(NonFiniteLossError, match=r"at step \d+, images .*7\.png"):
        tiny.run(tmp_path)


def test_training_leaves_the_number_of_threads(tmp_path):
    before = torch.get_num_threads()
    tiny.run(tmp_path, config=replace(tiny.CONFIG, steps=4, num_threads=2))
    assert torch.get_num_threads() == before
