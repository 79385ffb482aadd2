"""Predicted scenes that can be rendered, seen by the input image's camera.

A predicted program has neither camera nor lights: it is rendered under those of the
input image, so that both pictures compare. What no program of the domain says, such as
the size of an asset, the domain fills in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from igllm_pipelines.scene import Camera, Scene, SceneObject
from igllm_pipelines.scene.program import WORD_ATTRIBUTES

Finish = Callable[[SceneObject], SceneObject]
DEPTHS_M = (0.1, 100.0)  # what the camera sees at all


@dataclass(frozen=True)
class Rebuilt:
    """A scene to render.

    Attributes:
        scene: None where nothing can be rendered.
        notes: what was filled in or left out, in plain words.
    """

    scene: Scene | None
    notes: tuple[str, ...] = ()


def rebuild(
    pred: Scene | None, target: Scene, finish: Finish, expected: Sequence[str]
) -> Rebuilt:
    """The predicted objects under the camera and the lights of `target`.

    An object without a location, behind the camera or far away is left out. A dot (a
    scene without a camera) outside the image is moved to its edge. Every such change is
    noted.

    Args:
        pred: the predicted scene, None where the answer does not parse.
        target: the true scene.
        finish: fills in what an object does not say, see the domains' configurations.
        expected: the attributes that programs say; what is filled in of them is noted.

    >>> rebuild(None, Scene(()), lambda obj: obj, ()).notes
    ('the answer does not parse',)
    """
    if pred is None:
        return Rebuilt(None, ("the answer does not parse",))
    if target.camera is None:
        return _rebuild_dots(pred, target)
    notes: list[str] = []
    objects = []
    for number, said in enumerate(pred.objects, 1):
        obj = finish(said)
        pixel = _pixel(obj, target.camera)
        if isinstance(pixel, str):
            notes.append(f"object {number} {pixel} and is left out")
            continue
        notes += _filled_in(said, obj, expected, number)
        objects.append(replace(obj, pixel_coords=pixel))
    return Rebuilt(replace(target, objects=tuple(objects)), tuple(notes))


def _filled_in(
    said: SceneObject, obj: SceneObject, expected: Sequence[str], number: int
) -> list[str]:
    filled = [
        f"{name} {getattr(obj, name)}"
        for name in WORD_ATTRIBUTES
        if name in expected and getattr(obj, name) != getattr(said, name)
    ]
    if not filled:
        return []
    return [f"object {number} is drawn with {', '.join(filled)}: not predicted"]


def _pixel(obj: SceneObject, camera: Camera) -> tuple[float, float, float] | str:
    """u, v and depth of the object, or why there are none."""
    if obj.location is None:
        return "has no location"
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v, depth = camera.project(obj.location).tolist()
    if not DEPTHS_M[0] < depth < DEPTHS_M[1]:
        return "lies where the camera cannot see"
    return u, v, depth


def _rebuild_dots(pred: Scene, target: Scene) -> Rebuilt:
    notes: list[str] = []
    built = [_build_dot(obj, i, notes) for i, obj in enumerate(pred.objects, 1)]
    objects = tuple(obj for obj in built if obj is not None)
    if not objects:
        return Rebuilt(None, (*notes, "the answer holds no dot"))
    return Rebuilt(replace(target, objects=objects), tuple(notes))


def _build_dot(obj: SceneObject, number: int, notes: list[str]) -> SceneObject | None:
    if obj.location is None:
        notes.append(f"dot {number} has no position and is left out")
        return None
    x, y = np.clip(obj.location[:2], 0.0, 1.0).tolist()
    if (x, y) != obj.location[:2]:
        notes.append(f"dot {number} lies outside the image and is moved to its edge")
    return replace(obj, location=(x, y, 0.0), pixel_coords=None)
