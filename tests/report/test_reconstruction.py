"""Predicted scenes become scenes that can be rendered, and what changed is said."""

from dataclasses import replace

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.clevr import PLAIN, ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig
from igllm_pipelines.domains.so3 import So3Config
from igllm_pipelines.report.reconstruction import Rebuilt
from igllm_pipelines.report.reconstruction import rebuild as rebuild_with
from igllm_pipelines.scene import Scene, SceneObject

CLEVR, SO3 = ClevrConfig(), So3Config()
ATTRIBUTES = DOMAINS["clevr"].syntax.attributes
TARGET = CLEVR.draw(7, "val_ID", 0, 0)
DOT = DotsConfig().draw(7, "random", 0, 0)


def rebuild(pred: Scene | None, target: Scene) -> Rebuilt:
    return rebuild_with(pred, target, CLEVR.finish, ATTRIBUTES)


def test_objects_are_seen_by_the_targets_camera_and_lights() -> None:
    pred = Scene(tuple(replace(o, pixel_coords=None) for o in TARGET.objects))
    rebuilt = rebuild(pred, TARGET)
    assert rebuilt.notes == ()
    assert rebuilt.scene == TARGET


def test_missing_words_are_filled_in_and_noted() -> None:
    pred = Scene((SceneObject(location=(0, 0, 0.7), shape="sphere"),))
    rebuilt = rebuild(pred, TARGET)
    assert rebuilt.scene is not None
    (obj,) = rebuilt.scene.objects
    assert obj.shape == "sphere"
    assert (obj.size, obj.color, obj.material) == ("small", "gray", "rubber")
    assert rebuilt.notes == (
        "object 1 is drawn with size small, color gray, material rubber: not predicted",
    )


def test_objects_that_cannot_be_seen_are_left_out_and_noted() -> None:
    places = (None, (40.0, -40.0, 30.0), (-5000.0, 5000.0, 0.0), (0.0, 0.0, 0.7))
    objects = tuple(SceneObject(location=place, **PLAIN) for place in places)
    rebuilt = rebuild(Scene(objects), TARGET)
    assert rebuilt.scene is not None
    assert len(rebuilt.scene.objects) == 1
    assert [note.split(" and ")[0] for note in rebuilt.notes] == [
        "object 1 has no location",
        "object 2 lies where the camera cannot see",
        "object 3 lies where the camera cannot see",
    ]


def test_empty_program_renders_the_empty_floor() -> None:
    rebuilt = rebuild(Scene(()), TARGET)
    assert rebuilt.scene == replace(TARGET, objects=())


def test_unparsed_answer_has_no_scene() -> None:
    assert rebuild(None, TARGET).scene is None


def test_dot_outside_is_moved_to_the_edge() -> None:
    rebuilt = rebuild(Scene((SceneObject(location=(1.5, 0.25, 0)),)), DOT)
    assert rebuilt.scene is not None
    assert rebuilt.scene.objects[0].location == (1.0, 0.25, 0.0)
    assert rebuilt.notes == ("dot 1 lies outside the image and is moved to its edge",)


def test_answer_without_a_dot_has_no_scene() -> None:
    for objects in ((), (SceneObject(),)):
        rebuilt = rebuild(Scene(objects), DOT)
        assert rebuilt.scene is None
        assert rebuilt.notes[-1] == "the answer holds no dot"


def test_what_no_program_says_is_filled_in_without_a_note() -> None:
    target = SO3.draw(7, "val_ID", 0, 0)
    pred = Scene((SceneObject(rotation=target.objects[0].rotation),))
    rebuilt = rebuild_with(pred, target, SO3.finish, ("rotation",))
    assert rebuilt == Rebuilt(target)
