"""Backbones, detector and describer, with real torchvision models."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import get_model

from igllm_pipelines.baselines.ns_vqa.backbones import build_resnet, widen_input
from igllm_pipelines.baselines.ns_vqa.batches import TrainingBatches
from igllm_pipelines.baselines.ns_vqa.config import NsvqaConfig
from igllm_pipelines.baselines.ns_vqa.describer import (
    Describer,
    description_loss,
    disturbed,
)
from igllm_pipelines.baselines.ns_vqa.detector import (
    Segments,
    build_detector,
    detect,
    detection_loss,
)
from igllm_pipelines.domains import CLEVR_WORDS
from tests.baselines.ns_vqa.small import CONFIG, Painted


def batch(size=2):
    raw = Painted()
    scenes = raw.scenes("train")
    return TrainingBatches(scenes, raw, "train", CLEVR_WORDS, seed=0).batch(0, size)


def test_a_backbone_takes_the_weights_of_a_file(tmp_path):
    trained = get_model("resnet18", weights=None)
    torch.save(trained.state_dict(), tmp_path / "weights.pth")
    built = build_resnet("resnet18", str(tmp_path / "weights.pth"))
    assert torch.equal(built.layer4[1].conv2.weight, trained.layer4[1].conv2.weight)


@pytest.mark.parametrize("content", [b"broken", None])
def test_bad_weights_are_named(tmp_path, content):
    file = tmp_path / "weights.pth"
    if content:
        file.write_bytes(content)
    else:
        torch.save(get_model("resnet18", weights=None).state_dict(), file)
    with pytest.raises(ValueError, match=r"weights\.pth"):
        build_resnet("resnet34", str(file))


def test_weights_that_would_run_code_are_refused(tmp_path):
    torch.save({"conv1.weight": print}, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="cannot be read"):
        build_resnet("resnet18", str(tmp_path / "weights.pth"))


def test_two_equal_pictures_give_what_one_gave():
    network = build_resnet("resnet10").eval()
    picture = torch.rand(1, 3, 32, 32)
    before = network(picture)
    widen_input(network, 2)
    assert torch.allclose(network(picture.repeat(1, 2, 1, 1)), before, atol=1e-5)


def test_the_detector_learns_one_picture():
    torch.manual_seed(0)
    detector = build_detector(replace(CONFIG, detector_channels=16)).train()
    one = batch(1)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=2e-3)
    losses = []
    for _ in range(8):
        loss = detection_loss(detector, one.pictures, one.segments)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_what_is_found_has_boxes_masks_and_scores():
    torch.manual_seed(0)
    detector = build_detector(replace(CONFIG, min_score=0.0)).eval()
    pictures = batch().pictures
    for found in detect(detector, pictures):
        count = len(found.scores)
        assert found.boxes.shape == (count, 4)
        assert found.masks.shape == (count, *pictures.shape[2:])
        assert found.masks.dtype == torch.bool
        assert ((found.scores >= 0) & (found.scores <= 1)).all()


def test_words_and_places_are_told_object_by_object():
    one = batch()
    describer = Describer(CONFIG, CLEVR_WORDS).eval()
    count = sum(len(segments.boxes) for segments in one.segments)
    with torch.no_grad():
        described = describer(one.pictures, one.segments)
        first = describer(one.pictures[:1], one.segments[:1])
    sizes = [words.shape for words in described.words]
    assert sizes == [(count, len(known)) for known in CLEVR_WORDS.values()]
    assert described.location.shape == (count, 3)
    assert torch.allclose(
        described.location[: len(first.location)], first.location, atol=1e-5
    )


def test_only_the_segment_and_the_whole_picture_are_seen():
    describer = Describer(CONFIG, CLEVR_WORDS)
    picture = torch.zeros(3, 64, 64)
    masks = torch.zeros(1, 64, 64, dtype=torch.bool)
    masks[0, 10:20, 10:20] = True
    picture[:, 10:20, 10:20] = 1.0
    box = torch.tensor([[10.0, 10.0, 20.0, 20.0]])
    (view,) = describer._view(picture, Segments(box, masks, torch.ones(1)))
    segment, whole = view[:3], view[3:]
    assert segment[:, 16, 16].tolist() == [1.0] * 3
    assert segment[:, 0, 0].tolist() == [0.5] * 3  # not the picture's zero
    assert whole.mean() == pytest.approx(100 / 64**2, rel=0.05)


def test_the_loss_is_the_sum_of_its_parts():
    one = batch()
    describer = Describer(CONFIG, CLEVR_WORDS).eval()
    described = describer(one.pictures, one.segments)
    loss = description_loss(described, one.words, one.location, 2.0).item()
    error = (described.location - one.location).detach().numpy()
    expected = 2.0 * (error**2).mean()
    for column, logits in enumerate(described.words):
        rows = logits.detach().double().numpy()
        chance = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
        true = chance[np.arange(len(rows)), one.words[:, column].numpy()]
        expected += -np.log(true).mean()
    assert loss == pytest.approx(expected, rel=1e-4)


def test_disturbed_masks_hold_the_true_ones():
    (true,) = batch(1).segments
    torch.manual_seed(1)
    rough = disturbed(true)
    assert (rough.masks | true.masks).equal(rough.masks)
    assert not torch.equal(rough.boxes, true.boxes)
    none = Segments(
        torch.zeros(0, 4), torch.zeros(0, 8, 8, dtype=torch.bool), torch.ones(0)
    )
    assert disturbed(none) is none


def test_configuration_says_what_is_wrong():
    with pytest.raises(ValueError, match="resnet10"):
        NsvqaConfig(detector_backbone="vgg")
    with pytest.raises(ValueError, match="min_score"):
        NsvqaConfig(min_score=2)
    with pytest.raises(ValueError, match="describer_steps"):
        NsvqaConfig(describer_steps=0)


def test_the_networks_of_the_paper_can_be_built():
    config = NsvqaConfig()
    assert config.detector_backbone == "resnet50"
    with torch.device("meta"):
        assert isinstance(build_detector(config), nn.Module)
        assert Describer(config, CLEVR_WORDS).head[0].in_features == 512 + 4
