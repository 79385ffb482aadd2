"""ShapeNet scenes: some sofas, chairs and tables, resting on the ground or floating.

A resting object is upright and turned about the vertical, a floating one has any
orientation; either keeps its bounding box above the ground. Two objects keep their
bounding spheres apart, so no boxes overlap whatever the orientations. Every bounding
box lies wholly in the image. The camera has a fixed azimuth, a random pitch (its
elevation over the ground) and radius, and looks at the origin. The splits:

===================  ==============  ====================  ==============
split                instances       look                  camera
===================  ==============  ====================  ==============
``train, val_ID``    of training     colored               as in training
``val_OOD_texture``  of training     held-out textures     as in training
``val_OOD_shape``    held out        held-out textures     as in training
``val_OOD_camera``   of training     colored               held-out ranges
===================  ==============  ====================  ==============

Colored objects are plain (CLEVR's rubber) or have a texture of a training family that
is tinted in their color. Held-out textures have colors of their own, so ``color`` is
not known there. ``val_OOD_camera`` is ours: the paper calls this its weak spot.

Not stated by the paper: the numbers of instances and which are held out, the size of
objects, which textures there are, the placement, the ranges of the camera, the lamps,
the backdrop, the image size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from igllm_pipelines.assets import Asset, AssetsConfig, load_catalog
from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.domains.drawn import Photographed
from igllm_pipelines.domains.fields import (
    check_not_negative,
    check_positive,
    check_range,
    check_splits,
    check_studio,
    settle,
)
from igllm_pipelines.domains.poses import (
    box_corners,
    extents_m,
    half_height_m,
    in_image,
    uniform_quat,
)
from igllm_pipelines.domains.studio import (
    CAMERA_AZIMUTH_DEG,
    nominal_lights,
    sample_lights,
)
from igllm_pipelines.domains.textures import FAMILIES, sample_texture
from igllm_pipelines.scene.rotations import canonical_turn, quat_from_yaw
from igllm_pipelines.scene.scene import (
    Camera,
    Quaternion,
    Scene,
    SceneObject,
    Vector3,
)

GENERATOR = "shapenet-1"
PLACEMENTS = ("resting", "floating", "mixed")
APPEARANCES = ("colored", "own")
HELD_OUT_TEXTURES = ("val_OOD_texture", "val_OOD_shape")  # splits that have them
HELD_OUT_SHAPES = ("val_OOD_shape",)
HELD_OUT_CAMERAS = ("val_OOD_camera",)
_RESTARTS = 200
_ORIGIN = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class ShapeNetConfig(Photographed):
    """Which furniture scenes to draw. Categories, splits and 1 to 5 are the paper's.

    Attributes:
        num_scenes: of each split.
        assets: where the furniture comes from; ``held_out`` of it is for
            ``val_OOD_shape``.
        min_objects, max_objects: both included.
        placement: ``resting``, ``floating``, or ``mixed``: each object either way.
        float_m: a floating box hangs up to so far over the ground.
        ground_half_m: objects stand at x, y in [-ground_half_m, ground_half_m].
        diagonal_m: of each object's bounding box.
        min_dist_m: free space between two bounding spheres.
        appearance: ``colored``, or ``own`` for the materials of the assets' files, then
            neither color nor texture is given outside the held-out textures.
        textures: families of training.
        held_out_textures: families of the splits with unseen textures.
        plain: share of colored objects without a texture.
        pitch_deg, radius_m: ranges of the camera's elevation and distance in training.
        held_out_pitch_deg, held_out_radius_m: those of ``val_OOD_camera``.
        azimuth_deg: of the camera, from the x axis.
        width_px, height_px: image size.
        lens_mm, sensor_width_mm: of the camera; the sensor spans the longer side.
        lamp_jitter_m: each axis of a lamp moves by up to this much.
        backdrop: of `scene.BACKDROPS`.
        min_visible: pixels of the least visible object, as a share of the frame.
        max_tries: places tried for an object before the scene starts anew.
    """

    num_scenes: Mapping[str, int] = field(
        default_factory=lambda: {
            **{"train": 3500, "val_ID": 200, "val_OOD_texture": 200},
            **{"val_OOD_shape": 200, "val_OOD_camera": 200},
        }
    )
    assets: AssetsConfig = AssetsConfig()
    min_objects: int = 1
    max_objects: int = 5
    placement: str = "mixed"
    float_m: float = 1.0
    ground_half_m: float = 2.3
    diagonal_m: float = 2.0
    min_dist_m: float = 0.0
    appearance: str = "colored"
    textures: tuple[str, ...] = ("wood", "brick", "noise", "stripes")
    held_out_textures: tuple[str, ...] = ("marble", "checker", "voronoi", "magic")
    plain: float = 0.4
    pitch_deg: tuple[float, float] = (20.0, 40.0)
    radius_m: tuple[float, float] = (10.0, 12.0)
    held_out_pitch_deg: tuple[float, float] = (45.0, 60.0)
    held_out_radius_m: tuple[float, float] = (13.0, 15.0)
    azimuth_deg: float = CAMERA_AZIMUTH_DEG
    width_px: int = 128
    height_px: int = 128
    lens_mm: float = 55.0
    sensor_width_mm: float = 32.0
    lamp_jitter_m: float = 0.5
    backdrop: str = "floor"
    min_visible: float = 0.0026
    max_tries: int = 50

    # no fields: they name the code, not the choice of scenes
    generator = GENERATOR
    prefix = "ShapeNet"

    def __post_init__(self) -> None:
        settle(self)
        check_splits("shapenet", self.num_scenes)
        check_studio(self)
        check_positive(self, "max_tries")
        check_not_negative(self, "float_m", "ground_half_m", "min_dist_m")
        if not 1 <= self.min_objects <= self.max_objects <= 10:
            raise ValueError("1 <= min_objects <= max_objects <= 10 must hold")
        if self.placement not in PLACEMENTS:
            raise ValueError(f"placement must be of {', '.join(PLACEMENTS)}")
        if self.appearance not in APPEARANCES:
            raise ValueError(f"appearance must be of {', '.join(APPEARANCES)}")
        if not 0 <= self.plain <= 1:
            raise ValueError("plain must lie in [0, 1]")
        self._check_held_out()

    def _check_held_out(self) -> None:
        if unknown := {*self.textures, *self.held_out_textures} - {*FAMILIES}:
            known = ", ".join(FAMILIES)
            raise ValueError(f"unknown textures {sorted(unknown)}, known: {known}")
        if not self.textures or not self.held_out_textures:
            raise ValueError("textures and held_out_textures must name a family each")
        if shared := {*self.textures} & {*self.held_out_textures}:
            raise ValueError(f"held_out_textures are in textures too: {sorted(shared)}")
        for name, low, high in (("pitch_deg", -89.0, 89.0), ("radius_m", 0.1, 100.0)):
            check_range(self, name, low, high)
            check_range(self, f"held_out_{name}", low, high)
            one, other = getattr(self, name), getattr(self, f"held_out_{name}")
            if one[0] <= other[1] and other[0] <= one[1]:
                raise ValueError(f"held_out_{name} {other} overlaps {name} {one}")
        if self.num_scenes.get("val_OOD_shape") and not self.assets.held_out:
            raise ValueError("val_OOD_shape needs assets.held_out above 0")

    def sample(self, split: str, seed: tuple[int, ...]) -> Scene:
        """Draws one scene; what the split holds out, see the module.

        Raises:
            ValueError: the objects do not fit on the ground and into the image.
        """
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        camera = _sample_camera(rng, self, split)
        lights = sample_lights(rng, self.lamp_jitter_m)
        count = int(rng.integers(self.min_objects, self.max_objects + 1))
        placed = _place(rng, self, _assets(self, split), camera, count)
        return Scene(
            objects=tuple(_paint(rng, self, split, obj) for obj in placed),
            camera=camera,
            lights=lights,
            backdrop=self.backdrop,
            seed=seed,
            generator=GENERATOR,
        )

    def nominal(self) -> Scene:
        """The studio without objects and jitter, for a picture of unknown camera.

        Pitch and radius of the camera are the middle of those of training.
        """
        camera = _camera(self, sum(self.pitch_deg) / 2, sum(self.radius_m) / 2)
        lights = nominal_lights()
        return Scene((), camera=camera, lights=lights, backdrop=self.backdrop)

    def finish(self, obj: SceneObject) -> SceneObject:
        """A predicted object with its extents; an unknown shape becomes a known one."""
        catalog = load_catalog(self.assets)
        asset = catalog.by_id.get(obj.shape or "", catalog.training()[0])
        return replace(obj, shape=asset.id, extents=extents_m(asset, self.diagonal_m))


def camera_ranges(
    config: ShapeNetConfig, split: str
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges of pitch in degrees and of radius in metres in a split."""
    if split in HELD_OUT_CAMERAS:
        return config.held_out_pitch_deg, config.held_out_radius_m
    return config.pitch_deg, config.radius_m


def _assets(config: ShapeNetConfig, split: str) -> tuple[Asset, ...]:
    catalog = load_catalog(config.assets)
    return catalog.held_out() if split in HELD_OUT_SHAPES else catalog.training()


def _sample_camera(
    rng: np.random.Generator, config: ShapeNetConfig, split: str
) -> Camera:
    pitches_deg, radii_m = camera_ranges(config, split)
    return _camera(config, rng.uniform(*pitches_deg), rng.uniform(*radii_m))


def _camera(config: ShapeNetConfig, pitch_deg: float, radius_m: float) -> Camera:
    pitch, azimuth = np.radians([pitch_deg, config.azimuth_deg])
    around = np.array([np.cos(azimuth), np.sin(azimuth)])
    direction = np.append(np.cos(pitch) * around, np.sin(pitch))
    return config.camera_at(radius_m * direction, _ORIGIN)


def _paint(
    rng: np.random.Generator, config: ShapeNetConfig, split: str, obj: SceneObject
) -> SceneObject:
    """The object with color and texture, as far as it has them."""
    if split in HELD_OUT_TEXTURES:
        return replace(obj, texture=sample_texture(rng, config.held_out_textures))
    if config.appearance == "own":
        return obj
    obj = replace(obj, color=str(rng.choice(CLEVR_WORDS["color"])))
    if rng.uniform() < config.plain:
        return obj
    return replace(obj, texture=sample_texture(rng, config.textures))


def _place(
    rng: np.random.Generator,
    config: ShapeNetConfig,
    assets: Sequence[Asset],
    camera: Camera,
    count: int,
) -> list[SceneObject]:
    for _ in range(_RESTARTS):
        objects: list[SceneObject] = []
        while len(objects) < count:
            asset = assets[int(rng.integers(len(assets)))]
            obj = _find_place(rng, config, asset, camera, objects)
            if obj is None:
                break
            objects.append(obj)
        else:
            return objects
    raise ValueError(
        f"{count} objects do not fit on the ground and into the image: make "
        "diagonal_m, min_dist_m or max_objects smaller, or ground_half_m larger"
    )


def _find_place(
    rng: np.random.Generator,
    config: ShapeNetConfig,
    asset: Asset,
    camera: Camera,
    objects: Sequence[SceneObject],
) -> SceneObject | None:
    extents = extents_m(asset, config.diagonal_m)
    apart_m = config.diagonal_m + config.min_dist_m
    others = np.array([obj.location for obj in objects]).reshape(-1, 3)
    for _ in range(config.max_tries):
        location, quat = _pose(rng, config, extents, asset.symmetry)
        away_m = np.linalg.norm(others - location, axis=-1)
        if np.any(away_m < apart_m):
            continue
        if in_image(camera, box_corners(location, quat, extents)):
            return SceneObject(
                location=location,
                rotation=quat,
                shape=asset.id,
                extents=extents,
                pixel_coords=tuple(camera.project(location).tolist()),
            )
    return None


def _pose(
    rng: np.random.Generator, config: ShapeNetConfig, extents: Vector3, symmetry: int
) -> tuple[Vector3, Quaternion]:
    resting = config.placement == "resting"
    if config.placement == "mixed":
        resting = bool(rng.uniform() < 0.5)
    turn = quat_from_yaw(rng.uniform(0, 2 * np.pi)) if resting else uniform_quat(rng)
    w, i, j, k = canonical_turn(turn, symmetry).tolist()
    quat = (w, i, j, k)
    x, y = rng.uniform(-config.ground_half_m, config.ground_half_m, 2).tolist()
    over_m = 0.0 if resting else rng.uniform(0, config.float_m)
    return (x, y, half_height_m(quat, extents) + over_m), quat
