"""Predicted scenes that can be rendered, seen by the input image's camera.

A predicted program has neither camera nor lights: it is rendered under those of the
input image, so that both pictures compare.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from igllm_pipelines.scene import Camera, Scene, SceneObject

# what an object gets that the program does not say: the plainest of each
PLAIN: Mapping[str, str] = {
    "size": "small",
    "color": "gray",
    "material": "rubber",
    "shape": "cube",
}
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


def rebuild(pred: Scene | None, target: Scene) -> Rebuilt:
    """The predicted objects under the camera and the lights of `target`.

    An object without a location, behind the camera or far away is left out; a missing
    word is replaced by the one in `PLAIN`. A dot (a scene without a camera) outside the
    image is moved to its edge. Every such change is noted.

    >>> rebuild(None, Scene(())).notes
    ('the answer does not parse',)
    """
    if pred is None:
        return Rebuilt(None, ("the answer does not parse",))
    notes: list[str] = []
    build = _build_dot if target.camera is None else _build_object
    built = [build(obj, target, i, notes) for i, obj in enumerate(pred.objects, 1)]
    objects = tuple(obj for obj in built if obj is not None)
    if target.camera is None and not objects:
        return Rebuilt(None, (*notes, "the answer holds no dot"))
    return Rebuilt(replace(target, objects=objects), tuple(notes))


def _build_object(
    obj: SceneObject, target: Scene, number: int, notes: list[str]
) -> SceneObject | None:
    if obj.location is None:
        notes.append(f"object {number} has no location and is left out")
        return None
    camera = target.camera
    pixel = _project(camera, obj.location) if camera else None
    if pixel is None:
        notes.append(
            f"object {number} lies where the camera cannot see and is left out"
        )
        return None
    missing = {name: word for name, word in PLAIN.items() if not getattr(obj, name)}
    if missing:
        filled = ", ".join(f"{name} {word}" for name, word in missing.items())
        notes.append(f"object {number} is drawn with {filled}: not predicted")
    return replace(obj, pixel_coords=pixel, **missing)  # type: ignore[arg-type]


def _project(
    camera: Camera, location: tuple[float, float, float]
) -> tuple[float, float, float] | None:
    """u, v and depth, None where the camera sees nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v, depth = camera.project(location).tolist()
    return (u, v, depth) if DEPTHS_M[0] < depth < DEPTHS_M[1] else None


def _build_dot(
    obj: SceneObject, target: Scene, number: int, notes: list[str]
) -> SceneObject | None:
    if obj.location is None:
        notes.append(f"dot {number} has no position and is left out")
        return None
    x, y = np.clip(obj.location[:2], 0.0, 1.0).tolist()
    if (x, y) != obj.location[:2]:
        notes.append(f"dot {number} lies outside the image and is moved to its edge")
    return replace(obj, location=(x, y, 0.0), pixel_coords=None)
