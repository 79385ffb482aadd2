"""Previews are small, the same each time, and leave other pictures as they are."""

from dataclasses import replace

import numpy as np
import pytest

from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig
from igllm_pipelines.domains.so3 import So3Config
from igllm_pipelines.infer.moves import FREEDOMS
from igllm_pipelines.infer.refine import refine
from igllm_pipelines.render.dot import draw_dot
from igllm_pipelines.render.job import scene_pool
from igllm_pipelines.render.preview import previewer
from igllm_pipelines.scene.rotations import (
    from_representation,
    geodesic_angle_rad,
    quat_between,
)
from igllm_pipelines.scene.scene import Scene, SceneObject
from tests.render.conftest import FAST, worker
from tests.render.workers import Probe

CONFIG = ClevrConfig(width_px=48, height_px=48)


@pytest.mark.blender
def test_previews_are_the_same_to_the_bit(blender):
    scenes = [CONFIG.draw(7, "train", index, 0) for index in (0, 1)]
    before = blender("picture", scenes[0])
    first, second = blender("previews", scenes)
    again = blender("previews", scenes[::-1])
    assert first.shape == (48, 48, 3)
    np.testing.assert_array_equal(again, [second, first])
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, before)  # that one has 1 sample, denoised
    after = blender("picture", scenes[0]).astype(int)
    assert np.abs(after - before).max() <= 2


@pytest.mark.blender
def test_previews_of_a_pool_come_in_order(ray_session):
    scenes = [CONFIG.draw(7, "train", index, 0) for index in range(5)]
    with scene_pool(CONFIG, FAST) as pool:
        drawn = previewer(CONFIG, pool)(scenes)
        alone = [previewer(CONFIG, pool)([scene])[0] for scene in scenes]
    np.testing.assert_array_equal(drawn, alone)


def test_dots_need_no_pool():
    source = DotsConfig(width_px=56)
    dots = [Scene((SceneObject(location=(x, 0.5, 0)),)) for x in (0.2, 0.7)]
    drawn = previewer(source)(dots)
    expected = [draw_dot(x, 0.5, side_px=56, radius=source.radius) for x in (0.2, 0.7)]
    np.testing.assert_array_equal(drawn, expected)


def test_rendered_scenes_need_one():
    with pytest.raises(ValueError, match="need a pool"):
        previewer(CONFIG)


@pytest.mark.blender
def test_an_airplane_finds_its_orientation(ray_session):
    """Refinement with Blender alone, of another domain than CLEVR."""
    source = So3Config(width_px=48, height_px=48)
    true = source.draw(3, "val_ID", 1, 0)
    turn = from_representation([0.2, -0.2, 0.15], "aa")
    (airplane,) = true.objects
    wrong = replace(airplane, rotation=quat_between(turn, airplane.rotation))
    guess = replace(true, objects=(wrong,))
    with worker(Probe, source) as call:
        refined = refine(
            guess,
            call("previews", [true])[0],  # at few pixels Cycles' noise would matter
            lambda scenes: call("previews", list(scenes)),
            FREEDOMS["so3"],
            seconds=60,
            seed=0,
            max_evaluations=60,
        )
    before, after = (
        np.degrees(geodesic_angle_rad(s.objects[0].rotation, airplane.rotation))
        for s in (guess, refined.scene)
    )
    assert before > 17
    assert after < 5
