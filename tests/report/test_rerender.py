"""The program says all that the picture needs besides camera and lights."""

from dataclasses import replace

import numpy as np
import pytest

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.job import render_pictures
from igllm_pipelines.report.reconstruction import rebuild
from igllm_pipelines.scene import parse_program, write_program

CLEVR = ClevrConfig()
SYNTAX = DOMAINS["clevr"].syntax


@pytest.mark.blender
def test_true_program_renders_to_the_input_image() -> None:
    scenes = [CLEVR.draw(7, "val_OOD", index, 0) for index in range(3)]
    programs = [write_program(scene, SYNTAX) for scene in scenes]
    rebuilt = [
        rebuild(
            parse_program(program, SYNTAX), scene, CLEVR.finish, SYNTAX.attributes
        ).scene
        for program, scene in zip(programs, scenes, strict=True)
    ]
    wrong = replace(rebuilt[0], objects=rebuilt[0].objects[1:])
    pictures = render_pictures(
        [*scenes, *rebuilt, wrong], CLEVR, RenderingConfig(workers=1)
    )
    inputs, again, other = pictures[:3], pictures[3:6], pictures[6]
    for one, two in zip(inputs, again, strict=True):
        assert mean_difference(one, two) < 0.1
    # a small object less is already seen
    assert mean_difference(inputs[0], other) > 0.2


def mean_difference(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - two).mean())
