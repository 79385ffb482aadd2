from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from igllm_pipelines.domains.dots import DotsConfig
from igllm_pipelines.infer.moves import FREEDOMS
from igllm_pipelines.infer.refine import refine
from igllm_pipelines.render.preview import previewer
from igllm_pipelines.scene.scene import Scene, SceneObject
from tests.infer.drawings import ball, draw_discs, scene_of

FREEDOM = FREEDOMS["clevr"]
TRUE = scene_of(ball(0, 0), ball(1.5, 1.5, "green"), ball(-1, -2, "blue", "small"))
PICTURE = draw_discs([TRUE])[0]


def search(guess, picture=PICTURE, draw=draw_discs, **options):
    options = {"seconds": 60, "seed": 0, "max_evaluations": 400, **options}
    return refine(guess, picture, draw, FREEDOM, **options)


def errors_m(found):
    return np.linalg.norm(found.locations() - TRUE.locations(), axis=1)


def guess_of(*places, words=({}, {}, {})):
    objects = zip(TRUE.objects, places, words, strict=True)
    return scene_of(
        *(replace(o, location=(*p, o.location[2]), **w) for o, p, w in objects)
    )


def test_objects_find_their_places():
    guess = guess_of((0.3, -0.3), (1.0, 1.6), (-0.8, -1.6))
    refined = search(guess)
    assert errors_m(guess).mean() > 0.4
    assert errors_m(refined.scene).max() < 0.03
    assert refined.score_after < refined.score_before / 100
    assert refined.evaluations <= 400


def test_an_object_far_away_jumps():
    guess = guess_of((0, 0), (-2.5, -2.5), (-1, -2))
    refined = search(guess, max_evaluations=800)
    assert errors_m(refined.scene).max() < 0.05


def test_a_wrong_color_and_a_wrong_size_are_found():
    guess = guess_of(
        (0.1, 0),
        (1.5, 1.4),
        (-1, -2),
        words=({"color": "blue"}, {}, {"size": "large"}),
    )
    refined = search(guess)
    assert [(o.color, o.size) for o in refined.scene.objects] == [
        ("red", "large"), ("green", "large"), ("blue", "small"),
    ]  # fmt: skip
    assert refined.scene.objects[2].location[2] == 0.35


def test_an_object_that_is_not_there_is_taken_away():
    guess = scene_of(*TRUE.objects, ball(2, -2, "red"))
    refined = search(guess)
    assert len(refined.scene.objects) == 3


def test_the_same_seed_gives_the_same_scene():
    guess = guess_of((0.6, -0.3), (1.0, 2.2), (-0.8, -1.1))
    first, again, other = (
        search(guess, seed=seed, max_evaluations=150) for seed in (3, 3, 4)
    )
    assert first.scene == again.scene
    assert first.score_after == again.score_after
    assert first.scene != other.scene


@pytest.mark.parametrize("evaluations", [1, 2, 9, 60])
def test_never_worse_than_the_guess(evaluations):
    """Whatever the drawing does: here it is noise that follows no scene."""
    rng = np.random.default_rng(evaluations)

    def noise(scenes):
        return [rng.integers(0, 255, (48, 48, 3), np.uint8) for _ in scenes]

    refined = search(TRUE, draw=noise, max_evaluations=evaluations)
    assert refined.evaluations == evaluations
    assert refined.score_after <= refined.score_before
    if refined.score_after == refined.score_before:
        assert refined.scene is TRUE


def test_a_perfect_guess_is_left_alone():
    size = {"width_px": 48, "height_px": 48}  # at which pictures are compared
    exact = replace(TRUE, camera=replace(TRUE.camera, **size))
    refined = search(exact, draw_discs([exact])[0])
    assert refined.scene is exact
    assert refined.score_before == refined.score_after == 0


def test_the_search_starts_at_the_best_candidate():
    guess = guess_of((2, -2), (-2, -2), (2, 2))
    near = guess_of((0.05, 0), (1.5, 1.45), (-1, -2))
    refined = search(guess, candidates=[guess, near], max_evaluations=4)
    assert errors_m(refined.scene).max() < 0.1
    assert refined.evaluations == 4


def test_what_moved_says_where_it_is_seen():
    refined = search(
        guess_of((0.3, -0.3), (1.0, 1.6), (-0.8, -1.6)), max_evaluations=60
    )
    for obj in refined.scene.objects:
        seen = refined.scene.camera.project(obj.location)
        assert obj.pixel_coords == pytest.approx(tuple(seen))
    assert refined.scene.camera == TRUE.camera


def test_the_clock_ends_the_search():
    ticks = count()
    refined = search(
        guess_of((0.3, -0.3), (1.0, 1.6), (-0.8, -1.6)),
        clock=lambda: float(next(ticks)),
        seconds=10,
        max_evaluations=None,
    )
    assert 10 < refined.seconds < 20
    assert refined.score_after < refined.score_before


def test_no_time_returns_the_guess():
    guess = guess_of((0.3, -0.3), (1.0, 1.6), (-0.8, -1.6))
    refined = search(guess, seconds=0)
    assert refined.scene is guess
    assert refined.evaluations == 1


def test_an_empty_scene_is_returned():
    empty = scene_of()
    assert search(empty).scene is empty


def test_pictures_of_another_aspect_are_refused():
    wide = np.zeros((48, 96, 3), np.uint8)
    with pytest.raises(ValueError, match="96 x 96 pixels, the one to fit has 96 x 48"):
        search(TRUE, wide)


def test_a_dot_is_found_anywhere():
    """The domain's own drawing, and a guess in the opposite corner."""
    draw = previewer(DotsConfig())
    dot, guess = (Scene((SceneObject(location=(v, 1 - v, 0)),)) for v in (0.21, 0.8))
    freedom = FREEDOMS["2d"]
    picture = draw([dot])[0]
    refined = refine(
        guess, picture, draw, freedom, seconds=60, seed=0, max_evaluations=300
    )
    assert np.abs(refined.scene.locations() - dot.locations()).max() < 0.002
