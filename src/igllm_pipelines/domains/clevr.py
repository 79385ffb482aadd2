"""CLEVR-CoGenT scenes, drawn in plain numpy: objects on a floor, camera, lamps.

Geometry, placement rules and jitters are those of the original generator
(facebookresearch/clevr-dataset-gen). The differences:

- Yaw is drawn in radians and stored as it is rendered. The original drew degrees and
  handed them to Blender as radians, so its labels name another yaw than its pictures.
- The image is square and small (128 px) and the lens longer (42 mm instead of 35), so
  that objects keep about half the width they have in the original.
- 3 to 6 objects instead of 3 to 10.
- ``pixel_coords`` are not rounded.
- An object must fill 0.26 % of the frame (200 pixels of the original's 320x240),
  counted by rays against the exact meshes instead of by a flat render.
- The camera jitter reaches the picture and the labels; the four directions of the
  margin rule belong to the camera before its jitter, as in the released data.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.domains.drawn import Photographed
from igllm_pipelines.domains.fields import (
    check_not_negative,
    check_positive,
    check_splits,
)
from igllm_pipelines.domains.studio import (
    CAMERA_LOCATION,
    nominal_lights,
    sample_lights,
)
from igllm_pipelines.scene.rotations import quat_from_yaw
from igllm_pipelines.scene.scene import Camera, Scene, SceneObject

Array = NDArray[np.float64]

GENERATOR = "clevr-1"
RADIUS_M: Mapping[str, float] = {"large": 0.7, "small": 0.35}
GROUND_HALF_M = 3.0  # objects stand at x, y in [-3, 3]
# unit vectors on the floor, of the camera before its jitter
DIRECTIONS: Mapping[str, tuple[float, float]] = {
    "behind": (-0.754490315914154, 0.6563112735748291),
    "front": (0.754490315914154, -0.6563112735748291),
    "left": (-0.6563112735748291, -0.7544902563095093),
    "right": (0.6563112735748291, 0.7544902563095093),
}
_WARM = ("red", "green", "purple", "cyan")
_COOL = ("gray", "blue", "brown", "yellow")
# CoGenT: colours that a shape may have under each condition
CONDITIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "A": {"cube": _COOL, "cylinder": _WARM, "sphere": CLEVR_WORDS["color"]},
    "B": {"cube": _WARM, "cylinder": _COOL, "sphere": CLEVR_WORDS["color"]},
}


# what a predicted object gets that the program does not say: the plainest of each
PLAIN: Mapping[str, str] = {
    "size": "small",
    "color": "gray",
    "material": "rubber",
    "shape": "cube",
}


@dataclass(frozen=True)
class ClevrConfig(Photographed):
    """Which CLEVR scenes to draw.

    Attributes:
        num_scenes: of each split.
        conditions: CoGenT condition, ``A`` or ``B``, of each split.
        min_objects, max_objects: both included.
        width_px, height_px: image size.
        lens_mm, sensor_width_mm: of the camera; the sensor spans the longer side.
        camera_jitter_m, lamp_jitter_m: each axis moves by up to this much.
        min_dist_m: free space between the hulls of two objects.
        margin_m: two objects lie apart by at least this much along each direction
            (left, front) in which they lie apart at all.
        min_visible: pixels of the smallest visible object, as a share of the frame.
        max_tries: places tried for an object before the scene starts anew.
    """

    num_scenes: Mapping[str, int] = field(
        default_factory=lambda: {"train": 4000, "val_ID": 300, "val_OOD": 300}
    )
    conditions: Mapping[str, str] = field(
        default_factory=lambda: {"train": "A", "val_ID": "A", "val_OOD": "B"}
    )
    min_objects: int = 3
    max_objects: int = 6
    width_px: int = 128
    height_px: int = 128
    lens_mm: float = 42.0
    sensor_width_mm: float = 32.0
    camera_jitter_m: float = 0.5
    lamp_jitter_m: float = 1.0
    min_dist_m: float = 0.25
    margin_m: float = 0.4
    min_visible: float = 0.0026
    max_tries: int = 50

    # no fields: they name the code, not the choice of scenes
    generator = GENERATOR
    prefix = "CLEVR"
    assets = None

    def __post_init__(self) -> None:
        for name in ("lens_mm", "sensor_width_mm"):  # 42 and 42.0 are the same
            object.__setattr__(self, name, float(getattr(self, name)))
        if set(self.num_scenes) != set(self.conditions):
            raise ValueError(
                "num_scenes and conditions must name the same splits, they name "
                f"{sorted(self.num_scenes)} and {sorted(self.conditions)}"
            )
        for split, condition in self.conditions.items():
            if condition not in CONDITIONS:
                raise ValueError(
                    f"conditions: {split} must have A or B, it has {condition!r}"
                )
        check_splits("clevr", self.num_scenes)
        if not 1 <= self.min_objects <= self.max_objects <= 10:
            raise ValueError("1 <= min_objects <= max_objects <= 10 must hold")
        if not 0 <= self.min_visible < 1 / self.max_objects:
            raise ValueError("min_visible must lie in [0, 1 / max_objects)")
        check_not_negative(
            self, *("camera_jitter_m", "lamp_jitter_m", "min_dist_m", "margin_m")
        )
        check_positive(
            self, *("width_px", "height_px", "lens_mm", "sensor_width_mm", "max_tries")
        )

    def sample(self, split: str, seed: tuple[int, ...]) -> Scene:
        """Draws one scene; the split chooses the CoGenT condition.

        Raises:
            ValueError: the objects do not fit on the floor under these rules.
        """
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        camera = _sample_camera(rng, self)
        lights = sample_lights(rng, self.lamp_jitter_m)
        count = int(rng.integers(self.min_objects, self.max_objects + 1))
        colors = CONDITIONS[self.conditions[split]]
        placed = _place(rng, self, count)
        return Scene(
            objects=tuple(_sample_object(rng, at, colors, camera) for at in placed),
            camera=camera,
            lights=lights,
            seed=seed,
            generator=GENERATOR,
        )

    def nominal(self) -> Scene:
        """The studio without objects and jitter, for a picture of unknown camera."""
        camera = self.camera_at(CAMERA_LOCATION, (0.0, 0.0, 0.0))
        return Scene((), camera=camera, lights=nominal_lights(), backdrop="sweep")

    def finish(self, obj: SceneObject) -> SceneObject:
        """A predicted object with the words of `PLAIN` for those it lacks.

        >>> ClevrConfig().finish(SceneObject(shape="sphere")).color
        'gray'
        """
        missing = {name: word for name, word in PLAIN.items() if not getattr(obj, name)}
        return replace(obj, **missing)  # type: ignore[arg-type]


def _sample_camera(rng: np.random.Generator, config: ClevrConfig) -> Camera:
    jitter = rng.uniform(-config.camera_jitter_m, config.camera_jitter_m, 3)
    return config.camera_at(np.add(CAMERA_LOCATION, jitter), (0.0, 0.0, 0.0))


Place = tuple[str, float, float]  # size, x, y


def _place(rng: np.random.Generator, config: ClevrConfig, count: int) -> list[Place]:
    for _ in range(1000):
        places: list[Place] = []
        while len(places) < count:
            place = _find_place(rng, config, places)
            if place is None:
                break
            places.append(place)
        else:
            return places
    raise ValueError(
        f"{count} objects do not fit on the floor with min_dist_m "
        f"{config.min_dist_m} and margin_m {config.margin_m}: lower them or max_objects"
    )


def _find_place(
    rng: np.random.Generator, config: ClevrConfig, places: list[Place]
) -> Place | None:
    size = str(rng.choice(list(RADIUS_M)))
    for _ in range(config.max_tries):
        x, y = rng.uniform(-GROUND_HALF_M, GROUND_HALF_M, 2).tolist()
        if all(_apart((size, x, y), other, config) for other in places):
            return size, x, y
    return None


def _apart(a: Place, b: Place, config: ClevrConfig) -> bool:
    dx, dy = a[1] - b[1], a[2] - b[2]
    free = math.hypot(dx, dy) - RADIUS_M[a[0]] - RADIUS_M[b[0]]
    along = (dx * ux + dy * uy for ux, uy in DIRECTIONS.values())
    return free >= config.min_dist_m and not any(
        0 < step < config.margin_m for step in along
    )


def _sample_object(
    rng: np.random.Generator,
    place: Place,
    colors: Mapping[str, tuple[str, ...]],
    camera: Camera,
) -> SceneObject:
    size, x, y = place
    shape = str(rng.choice(CLEVR_WORDS["shape"]))
    color = str(rng.choice(colors[shape]))
    yaw_rad = rng.uniform(0, 2 * math.pi)
    material = str(rng.choice(CLEVR_WORDS["material"]))
    location = (x, y, RADIUS_M[size])
    return SceneObject(
        location=location,
        rotation=tuple(quat_from_yaw(yaw_rad).tolist()),
        size=size,
        color=color,
        material=material,
        shape=shape,
        pixel_coords=tuple(camera.project(location).tolist()),
    )
