import numpy as np
import pytest
from PIL import Image

from igllm_pipelines.infer.scoring import PictureScore
from tests.infer.drawings import ball, draw_discs, scene_of


def picture_of(*objects):
    return draw_discs([scene_of(*objects)])[0]


def scored(target, drawn, light_px=7.0):
    score = PictureScore(target, (48, 48), (1.0, 3.0), light_px, saturation=0.3)
    return float(np.square(score.residuals(drawn)).sum())


def test_the_same_picture_scores_nothing():
    picture = picture_of(ball(0, 0))
    assert scored(picture, picture) == 0
    # also where one is twice as large
    large = np.asarray(
        Image.fromarray(picture).resize((192, 192), Image.Resampling.BOX)
    )
    assert scored(picture, large) == pytest.approx(0, abs=1e-12)


def test_the_score_falls_towards_the_true_place():
    target = picture_of(ball(0, 0))
    scores = [scored(target, picture_of(ball(x, 0))) for x in (0, 0.1, 0.3, 0.6, 0.9)]
    assert scores == sorted(scores)
    assert scores[1] > 0


def test_light_counts_less_than_places():
    target = picture_of(ball(0, 0))
    shade = np.linspace(0.85, 1.0, target.shape[1])[None, :, None]
    darker = np.round(target * shade).astype(np.uint8)
    moved = picture_of(ball(0.3, 0))
    assert scored(target, darker) < scored(target, moved) / 4
    # the widest blur does it
    assert scored(target, darker, light_px=200) > scored(target, moved)


def test_a_difference_counts_at_most_the_saturation():
    black, white = np.zeros((2, 48, 48, 3), np.uint8)
    white[:, 24:] = 255
    score = PictureScore(black, (48, 48), (1.0,), 200.0, saturation=0.1)
    assert 0.004 < np.square(score.residuals(white)).sum() < 0.1**2


def test_heat_is_where_pictures_differ():
    target = picture_of(ball(0, 0))
    score = PictureScore(target, (48, 48), (1.0, 3.0), 7.0, saturation=0.3)
    drawn = picture_of(ball(0, 0), ball(2, 2, "blue"))
    heat = score.heat(score.residuals(drawn))
    assert heat.shape == (48, 48)
    row, column = np.unravel_index(np.argmax(heat), heat.shape)
    u, v, _ = scene_of().camera.project((2, 2, 0.7)) / 2
    assert np.hypot(column + 0.5 - u, row + 0.5 - v) < 4
