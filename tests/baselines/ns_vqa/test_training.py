"""Training, its end after a kill, the parser's folder and its predictions."""

from dataclasses import replace

import pytest
import torch

from igllm_pipelines.baselines.ns_vqa.batches import TrainingBatches
from igllm_pipelines.baselines.ns_vqa.fitting import Course, fit
from igllm_pipelines.baselines.ns_vqa.parser import (
    SceneParser,
    load_parser,
    save_parser,
)
from igllm_pipelines.baselines.ns_vqa.training import predict, train_parser
from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.scene import parse_program
from igllm_pipelines.train import states
from tests.baselines.ns_vqa.small import CONFIG, SYNTAX, Painted

RAW = Painted()


def trained(folder, seed=7, config=CONFIG):
    return train_parser(
        RAW.scenes("train"),
        RAW,
        "train",
        vocabulary=CLEVR_WORDS,
        config=config,
        folder=folder,
        seed=seed,
    )


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_seed_fixes_the_weights(tmp_path):
    parser, history = trained(tmp_path / "a")
    again, _ = trained(tmp_path / "b")
    other, _ = trained(tmp_path / "c", seed=8)
    assert same(parser, again)
    assert not same(parser, other)
    assert [sorted(row) for row in history] == [
        ["detector_loss", "step"],
        ["describer_loss", "step"],
    ]


def test_a_finished_training_is_not_done_again(tmp_path):
    parser, history = trained(tmp_path)
    file = tmp_path / "detector" / "checkpoint-2" / "state.pt"
    before = file.stat().st_mtime_ns
    again, same_history = trained(tmp_path)
    assert same(parser, again)
    assert history == same_history
    assert file.stat().st_mtime_ns == before


class Killed(Exception):
    pass


def line(kill_at=None):
    """A network with dropout, so that the generator counts, and its loss."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.5))

    def loss_of(step):
        if step == kill_at:
            raise Killed
        return network(torch.full((2, 3), float(step))).square().mean()

    return network, loss_of


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(states, "_SAVE_EVERY", 2)
    course = Course(steps=7, learning_rate=0.1, warm_up_steps=2, seed=3)
    arguments = {"course": course, "digest": "x", "title": "test"}
    whole, loss_of = line()
    losses = fit(whole, loss_of, folder=tmp_path / "whole", **arguments)
    network, loss_of = line(kill_at=5)
    with pytest.raises(Killed):
        fit(network, loss_of, folder=tmp_path / "killed", **arguments)
    network, loss_of = line()
    torch.manual_seed(99)  # the state of the global generator does not count
    assert fit(network, loss_of, folder=tmp_path / "killed", **arguments) == losses
    assert same(whole, network)


def test_a_loss_that_is_not_finite_stops_with_the_step(tmp_path):
    network = torch.nn.Linear(1, 1)
    course = Course(steps=2, learning_rate=0.1, warm_up_steps=0, seed=0)
    with pytest.raises(ValueError, match="step 1"):
        fit(
            network,
            lambda _: network(torch.tensor([float("nan")])).sum(),
            course,
            tmp_path,
            digest="x",
            title="test",
        )


def test_batches_come_in_the_order_of_the_seed():
    batches = TrainingBatches(RAW.scenes("train"), RAW, "train", CLEVR_WORDS, seed=1)
    epoch = batches.batch(0, 2).names + batches.batch(1, 2).names
    assert sorted(epoch) == sorted(s.image_filename for s in RAW.scenes("train"))
    one = batches.batch(0, 2)
    assert one.names == epoch[:2]
    objects = sum(len(segments.boxes) for segments in one.segments)
    assert len(one.words) == len(one.location) == objects
    assert one.pictures.shape == (2, 3, 64, 64)


def test_an_unknown_word_is_named():
    (scene, *_) = RAW.scenes("train")
    odd = replace(scene, objects=(replace(scene.objects[0], color="pink"),))
    with pytest.raises(ValueError, match=r"train_0\.png.*pink"):
        TrainingBatches([odd], RAW, "train", CLEVR_WORDS, seed=0)


def test_a_parser_comes_back_from_its_folder(tmp_path):
    parser = SceneParser(CONFIG, CLEVR_WORDS, seed=1)
    save_parser(parser, tmp_path / "parser")
    loaded = load_parser(tmp_path / "parser")
    assert same(parser, loaded)
    assert list(loaded.vocabulary) == list(CLEVR_WORDS)


def test_a_broken_folder_is_named(tmp_path):
    save_parser(SceneParser(CONFIG, CLEVR_WORDS, seed=1), tmp_path / "parser")
    weights = tmp_path / "parser" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match="parser: no scene parser"):
        load_parser(tmp_path / "parser")


def test_predictions_are_programs_from_left_to_right():
    # everything counts as an object: an untrained detector finds enough
    config = replace(CONFIG, min_score=0.0)
    parser = SceneParser(config, CLEVR_WORDS, seed=1)
    names = [scene.image_filename for scene in RAW.scenes("val_ID")]
    records = predict(parser, RAW, "val_ID", names, syntax=SYNTAX, num_threads=1)
    assert [record["image"] for record in records] == names
    assert any(record["program"] for record in records)
    for record in records:
        for obj in parse_program(record["program"], SYNTAX).objects:
            assert obj.location is not None
            assert obj.shape in CLEVR_WORDS["shape"]
            assert obj.rotation is None
        assert record["log_probability"] <= 0


def test_a_picture_in_which_nothing_is_found_has_an_empty_program():
    parser = SceneParser(replace(CONFIG, min_score=1.0), CLEVR_WORDS, seed=1)
    (record,) = predict(
        parser, RAW, "val_ID", ["val_ID_0.png"], syntax=SYNTAX, num_threads=1
    )
    assert record["program"] == ""
    assert record["log_probability"] == 0
