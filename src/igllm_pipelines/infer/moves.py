"""How a scene may be changed to look more like a picture: what is free, and the moves.

Every move takes a scene and returns another one; nothing here draws or scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.scene.rotations import from_representation, quat_between
from igllm_pipelines.scene.scene import Camera, Scene, SceneObject, Vector3

Array = NDArray[np.float64]
Box = tuple[Vector3, Vector3]
_UPRIGHT = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Freedom:
    """What the programs of a domain say, hence what may be changed.

    Attributes:
        location_axes: of the world, along which objects may move.
        rotation_axes: of the world, about which they may turn.
        step_m: a first step; places are expected to be wrong by about as much (2D: in
            image sides).
        step_rad: the same of an orientation.
        box: least and largest location.
        heights_m: height of an object that rests on the ground, by the word of its
            size; empty where objects float.
        round_shapes: shapes that look the same however they are turned.
        words: that may replace each other, by attribute.
        side_px: longer side of the pictures that are compared.
    """

    location_axes: tuple[int, ...]
    rotation_axes: tuple[int, ...]
    step_m: float = 0.3
    step_rad: float = 0.3
    box: Box = ((-np.inf,) * 3, (np.inf,) * 3)
    heights_m: Mapping[str, float] = field(default_factory=dict)
    round_shapes: tuple[str, ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    side_px: int = 48


FREEDOMS: Mapping[str, Freedom] = {
    "2d": Freedom(
        location_axes=(0, 1),
        rotation_axes=(),
        step_m=0.02,
        box=((0.0, 0.0, 0.0), (1.0, 1.0, 0.0)),
        side_px=112,
    ),
    "clevr": Freedom(
        location_axes=(0, 1),
        rotation_axes=(2,),
        box=((-3.0, -3.0, 0.0), (3.0, 3.0, 1.0)),
        heights_m={"large": 0.7, "small": 0.35},
        round_shapes=("cylinder", "sphere"),
        words=CLEVR_WORDS,
    ),
    "so3": Freedom(location_axes=(), rotation_axes=(0, 1, 2)),
    "6dof": Freedom(
        location_axes=(0, 1, 2),
        rotation_axes=(0, 1, 2),
        step_m=0.15,
        words={name: CLEVR_WORDS[name] for name in ("color", "material")},
    ),
    "shapenet": Freedom(location_axes=(0, 1, 2), rotation_axes=(0, 1, 2)),
}


@dataclass(frozen=True)
class Parameter:
    """One number of a scene.

    Attributes:
        index: of the object.
        turns: whether it is an angle, else a coordinate of the location.
        axis: of the world.
        step: by which it is first changed, in radians or metres.
    """

    index: int
    turns: bool
    axis: int
    step: float


def parameters_of(scene: Scene, freedom: Freedom) -> list[Parameter]:
    """Everything that may be changed a little, object after object."""
    found = []
    for index, obj in enumerate(scene.objects):
        axes = [(False, axis, freedom.step_m) for axis in freedom.location_axes]
        if obj.shape not in freedom.round_shapes:
            axes += [(True, axis, freedom.step_rad) for axis in freedom.rotation_axes]
        found += [Parameter(index, *row) for row in axes]
    return found


def moved(
    scene: Scene, parameters: Sequence[Parameter], by: Sequence[float], freedom: Freedom
) -> Scene:
    """The scene with parameters changed by `by`, ``(parameters,)``."""
    shifts, turns = np.zeros((2, len(scene.objects), 3))
    for parameter, value in zip(parameters, by, strict=True):
        table = turns if parameter.turns else shifts
        table[parameter.index, parameter.axis] = value
    objects = (
        _moved_object(obj, shift, turn, freedom)
        for obj, shift, turn in zip(scene.objects, shifts, turns, strict=True)
    )
    return replace(scene, objects=tuple(objects))


def _moved_object(
    obj: SceneObject, shift: Array, turn: Array, freedom: Freedom
) -> SceneObject:
    """The object elsewhere; `turn` is a rotation vector in the world frame."""
    changes: dict[str, Any] = {}
    if shift.any():
        changes["location"] = np.clip(_place(obj) + shift, *freedom.box)
    if turn.any():
        back = from_representation(-turn, "aa")
        changes["rotation"] = quat_between(back, obj.rotation or _UPRIGHT)
    return replace(obj, **changes)


def rested(scene: Scene, freedom: Freedom) -> Scene:
    """The scene with every object on the ground, where the domain has one."""
    heights = (freedom.heights_m.get(obj.size or "") for obj in scene.objects)
    objects = (
        obj if height is None else replace(obj, location=(*_place(obj)[:2], height))
        for obj, height in zip(scene.objects, heights, strict=True)
    )
    return replace(scene, objects=tuple(objects))


def jumped(
    scene: Scene,
    index: int,
    pixel: tuple[float, float] | None,
    freedom: Freedom,
    rng: np.random.Generator,
) -> Scene:
    """The scene with one object put far away and turned at random.

    Args:
        scene: to be changed.
        index: of the object.
        pixel: u, v where it is put, in image sides; None for anywhere about its place.
        freedom: what may be changed.
        rng: random numbers; near jumps are as likely as far ones.
    """
    own = [p for p in parameters_of(scene, freedom) if p.index == index]
    reach = 3 ** rng.uniform(-0.5, 1.5)
    by = [rng.normal(0.0, reach * parameter.step) for parameter in own]
    if pixel is not None and freedom.location_axes:
        goal = _seen_at(scene.objects[index], pixel, scene.camera, freedom)
        for number, parameter in enumerate(own):
            if not parameter.turns:
                by[number] = (goal - _place(scene.objects[index]))[parameter.axis]
    return moved(scene, own, by, freedom)


def _seen_at(
    obj: SceneObject,
    pixel: tuple[float, float],
    camera: Camera | None,
    freedom: Freedom,
) -> Array:
    """Where an object must be to be seen at `pixel`: as high, or else as far away."""
    place = _place(obj)
    if camera is None:
        return np.array([*pixel, place[2]])
    u, v = pixel[0] * camera.width_px, pixel[1] * camera.height_px
    depth = camera.project(place)[2]
    far, near = camera.unproject([(u, v, depth), (u, v, depth / 2)])
    if freedom.heights_m and abs(far[2] - near[2]) > 1e-6:
        share = (place[2] - near[2]) / (far[2] - near[2])
        far = near + share * (far - near)
    return np.asarray(far)


def reworded(scene: Scene, index: int, freedom: Freedom) -> list[Scene]:
    """The scenes in which one object has one other word, and the one without it."""
    obj = scene.objects[index]
    others = [
        replace(obj, **{name: word})  # type: ignore[arg-type]
        for name, words in freedom.words.items()
        for word in words
        if word != getattr(obj, name)
    ]
    found = [_with_object(scene, index, (other,)) for other in others]
    if freedom.words and len(scene.objects) > 1:
        found.append(_with_object(scene, index, ()))
    return [rested(changed, freedom) for changed in found]


def _with_object(scene: Scene, index: int, new: tuple[SceneObject, ...]) -> Scene:
    objects = scene.objects
    return replace(scene, objects=objects[:index] + new + objects[index + 1 :])


def _place(obj: SceneObject) -> Array:
    """Its location ``(3,)``.

    Raises:
        ValueError: it has none.
    """
    if obj.location is None:
        raise ValueError("an object without location cannot be refined")
    return np.asarray(obj.location, dtype=np.float64)
