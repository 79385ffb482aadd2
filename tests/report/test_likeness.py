"""The gallery's pictures are measured as the metrics say."""

from dataclasses import replace

import numpy as np
import pytest

from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.metrics.pictures import psnr, ssim
from igllm_pipelines.report.likeness import (
    finite_psnr,
    object_numbers,
    picture_scores,
    read_scores,
)
from igllm_pipelines.report.page import SampleImages, Section
from igllm_pipelines.report.reconstruction import Rebuilt
from igllm_pipelines.report.samples import Answer, Sample
from igllm_pipelines.scene import Scene, SceneObject

CLEVR = ClevrConfig()
SIDE_PX = 128
RNG = np.random.default_rng(0)


def picture() -> np.ndarray:
    return RNG.integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)


def section(image: np.ndarray, **answers: tuple[Scene | None, np.ndarray]) -> Section:
    said = tuple(Answer(n, (), "", Rebuilt(scene)) for n, (scene, _) in answers.items())
    truth = Answer("truth", (), "", Rebuilt(None))
    drawn = {name: made for name, (_, made) in answers.items()}
    sample = Sample("val_ID", "a.png", "best", truth, said)
    return Section("", 1, [(sample, SampleImages(image, drawn))])


def test_scores_are_means_of_what_was_drawn() -> None:
    scene = CLEVR.draw(7, "train", 0, 0)
    image, other, third = picture(), picture(), picture()
    less = replace(scene, objects=scene.objects[1:])
    sections = [
        section(image, char=(scene, other), float=(scene, image)),
        section(image, char=(less, third), float=(None, image)),
    ]
    got = picture_scores(sections, {"val_ID": {"a.png": scene}})
    char, float_ = got["char"]["val_ID"], got["float"]["val_ID"]
    decibels = [psnr(other, image), psnr(third, image)]
    assert char["gallery_psnr"] == {
        "value": pytest.approx(np.mean(decibels)),
        "samples": 2,
    }
    alike = [ssim(other, image), ssim(third, image)]
    assert char["gallery_ssim"]["value"] == pytest.approx(np.mean(alike))
    assert float_["gallery_iou"] == {"value": 100, "samples": 1}
    assert float_["gallery_psnr"] == {"value": finite_psnr(image, image), "samples": 1}
    numbers, without = object_numbers(scene, image), object_numbers(less, image)
    ious = [
        np.sum((numbers == i + 1) & (without == i)) / np.sum(numbers == i + 1)
        if i
        else 0.0
        for i in range(len(scene.objects))
        if np.any(numbers == i + 1)
    ]
    expected = 100 * (1 + np.mean(ious)) / 2
    assert char["gallery_iou"]["value"] == pytest.approx(expected, abs=10)
    assert char["gallery_iou"]["value"] < 100


def test_masks_are_unknown_of_assets_and_of_several_dots() -> None:
    dot = SceneObject(location=(0.5, 0.5, 0))
    assert object_numbers(Scene((dot, dot)), picture()) is None
    white = np.full((8, 8, 3), 255, np.uint8)
    white[2:4, 2:4] = (255, 0, 0)
    assert object_numbers(Scene((dot,)), white).sum() == 4
    scene = CLEVR.draw(7, "train", 0, 0)
    placed = replace(scene.objects[0], shape="airplane_1")
    assert object_numbers(replace(scene, objects=(placed,)), white) is None


def test_a_report_without_scores_is_an_error(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        read_scores(tmp_path)
