from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.infer.moves import (
    FREEDOMS,
    jumped,
    moved,
    parameters_of,
    rested,
    reworded,
)
from igllm_pipelines.scene.rotations import matrix_from_quat
from igllm_pipelines.scene.scene import Scene, SceneObject
from tests.infer.drawings import ball, scene_of

CLEVR, FREE, DOTS = FREEDOMS["clevr"], FREEDOMS["shapenet"], FREEDOMS["2d"]
CHAIR = SceneObject(location=(0.1, 0.2, 1.0), rotation=(0.8, 0.6, 0, 0), shape="chair")


def test_every_domain_has_its_freedom():
    assert FREEDOMS.keys() == DOMAINS.keys()
    for name, domain in DOMAINS.items():
        said = domain.syntax.attributes
        assert ("rotation" in said) == bool(FREEDOMS[name].rotation_axes)
        assert ("loc" in said or "x" in said) == bool(FREEDOMS[name].location_axes)


def test_round_shapes_do_not_turn():
    cube = replace(ball(1, 1), shape="cube")
    found = [
        (p.index, p.turns, p.axis)
        for p in parameters_of(scene_of(ball(0, 0), cube), CLEVR)
    ]
    assert found == [
        (0, False, 0),
        (0, False, 1),
        (1, False, 0),
        (1, False, 1),
        (1, True, 2),
    ]


def test_moved_shifts_and_turns_about_the_axes_of_the_world():
    scene = Scene((CHAIR, CHAIR))
    parameters = parameters_of(scene, FREE)[6:]
    by = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6]
    first, second = moved(scene, parameters, by, FREE).objects
    assert first == CHAIR
    np.testing.assert_allclose(second.location, (0.2, 0.0, 1.3))
    turn = Rotation.from_rotvec(by[3:]).as_matrix()
    expected = turn @ matrix_from_quat(CHAIR.rotation)
    np.testing.assert_allclose(matrix_from_quat(second.rotation), expected, atol=1e-12)


def test_objects_stay_in_the_box():
    scene = scene_of(ball(2.9, -2.9))
    (obj,) = moved(scene, parameters_of(scene, CLEVR), [1, -1], CLEVR).objects
    assert obj.location == (3.0, -3.0, 0.7)


def test_objects_rest_on_the_ground_where_there_is_one():
    scene = Scene((replace(ball(1, 2), location=(1, 2, 0.9)),))
    assert rested(scene, CLEVR).objects[0].location == (1, 2, 0.7)
    assert rested(Scene((CHAIR,)), FREE).objects == (CHAIR,)


def test_a_jump_to_a_pixel_is_seen_there_and_stays_on_the_ground():
    scene = scene_of(ball(0, 0), ball(2, 2))
    found = jumped(scene, 1, (0.4, 0.6), CLEVR, np.random.default_rng(0))
    assert found.objects[0] == scene.objects[0]
    x, y, z = found.objects[1].location
    assert z == 0.7
    assert found.camera.project((x, y, z))[:2] == pytest.approx((0.4 * 96, 0.6 * 96))


def test_a_floating_object_jumps_at_its_distance():
    scene = replace(scene_of(), objects=(CHAIR,))
    (found,) = jumped(scene, 0, (0.3, 0.7), FREE, np.random.default_rng(0)).objects
    u, v, depth = scene.camera.project(found.location)
    assert (u, v) == pytest.approx((0.3 * 96, 0.7 * 96))
    assert depth == pytest.approx(scene.camera.project(CHAIR.location)[2])
    assert found.rotation != CHAIR.rotation


def test_a_dot_jumps_without_a_camera():
    scene = Scene((SceneObject(location=(0.5, 0.5, 0)),))
    (found,) = jumped(scene, 0, (0.2, 0.9), DOTS, np.random.default_rng(0)).objects
    assert found.location == pytest.approx((0.2, 0.9, 0))


def test_jumps_depend_on_the_random_numbers_alone():
    scene = scene_of(ball(0, 0))
    jumps = [jumped(scene, 0, None, CLEVR, np.random.default_rng(s)) for s in (1, 1, 2)]
    assert jumps[0] == jumps[1] != jumps[2]


def test_reworded_changes_one_word_or_takes_the_object_away():
    scene = scene_of(replace(ball(0, 0), material="metal"), ball(2, 2))
    found = reworded(scene, 0, CLEVR)
    assert len(found) == 1 + 7 + 1 + 2 + 1
    assert found[0].objects[0].location == (0, 0, 0.35)  # the small one rests too
    assert all(other.objects[-1] == scene.objects[1] for other in found)
    assert len(found[-1].objects) == 1
    assert reworded(scene_of(ball(0, 0)), 0, FREE) == []
    assert all(len(s.objects) == 1 for s in reworded(scene_of(ball(0, 0)), 0, CLEVR))


def test_an_object_without_a_place_cannot_move():
    scene = scene_of(SceneObject(shape="cube", size="small"))
    with pytest.raises(ValueError, match="without location"):
        rested(scene, CLEVR)
