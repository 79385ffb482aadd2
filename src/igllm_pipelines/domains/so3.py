"""SO(3) scenes: one toy airplane before white, only its orientation varies.

``train`` and ``val_ID`` are uniform over the orientations outside a held-out region of
SO(3), ``val_OOD`` is uniform inside it. The region holds the orientations whose forward
axis (+y of the object) lies within a cone about a world direction, at any roll. A cone
of half angle a is (1 - cos a) / 2 of SO(3): 11.7 % at 40 degrees.

Not stated by the paper: which region is held out, the airplane, its size and color, the
camera, the lamps, the image size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from igllm_pipelines.assets import AssetsConfig, load_catalog
from igllm_pipelines.domains.drawn import Photographed
from igllm_pipelines.domains.fields import (
    check_splits,
    check_studio,
    check_word,
    settle,
)
from igllm_pipelines.domains.poses import extents_m, quat_near
from igllm_pipelines.domains.studio import (
    CAMERA_LOCATION,
    nominal_lights,
    sample_lights,
)
from igllm_pipelines.scene.scene import Camera, Scene, SceneObject, Vector3

GENERATOR = "so3-1"
HELD_OUT_SPLITS = ("val_OOD",)
_ORIGIN = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class So3Config(Photographed):
    """Which orientations to draw. Only the splits are stated by the paper.

    Attributes:
        num_scenes: of each split.
        assets: where the airplane comes from.
        asset: its id; one without a symmetry, so that its forward axis is seen.
        diagonal_m: of its bounding box.
        color, material: CLEVR's words.
        held_out_axis: world direction in the middle of the held-out cone.
        held_out_half_angle_deg: between that direction and the cone's edge.
        camera_location: world metres; the camera looks at the origin.
        width_px, height_px: image size.
        lens_mm, sensor_width_mm: of the camera; the sensor spans the longer side.
        lamp_jitter_m: each axis of a lamp moves by up to this much.
        backdrop: of `scene.BACKDROPS`.
        min_visible: pixels of the airplane, as a share of the frame.
    """

    num_scenes: Mapping[str, int] = field(
        default_factory=lambda: {"train": 4000, "val_ID": 200, "val_OOD": 200}
    )
    assets: AssetsConfig = AssetsConfig(
        categories=("airplane",), per_category=10, held_out=0.0
    )
    asset: str = "airplane_0000"
    diagonal_m: float = 2.0
    color: str = "red"
    material: str = "rubber"
    held_out_axis: Vector3 = (1.0, 0.0, 0.0)
    held_out_half_angle_deg: float = 40.0
    camera_location: Vector3 = CAMERA_LOCATION
    width_px: int = 96
    height_px: int = 96
    lens_mm: float = 150.0
    sensor_width_mm: float = 32.0
    lamp_jitter_m: float = 0.0
    backdrop: str = "white"
    min_visible: float = 0.0026

    # no fields: they name the code, not the choice of scenes
    generator = GENERATOR
    prefix = "SO3"

    def __post_init__(self) -> None:
        settle(self)
        check_splits("so3", self.num_scenes)
        check_studio(self)
        check_word(self, "color")
        check_word(self, "material")
        for name in ("held_out_axis", "camera_location"):
            vector = getattr(self, name)
            if len(vector) != 3 or not 1e-6 < np.linalg.norm(vector) < np.inf:
                raise ValueError(f"{name} must be 3 numbers that are not all 0")
        if not 0 < self.held_out_half_angle_deg < 180:
            raise ValueError("held_out_half_angle_deg must lie between 0 and 180")

    @property
    def held_out_share(self) -> float:
        """Share of SO(3) that training never sees.

        >>> round(So3Config().held_out_share, 3)
        0.117
        """
        return float(1 - np.cos(np.radians(self.held_out_half_angle_deg))) / 2

    @property
    def camera(self) -> Camera:
        """The one camera of all images."""
        return self.camera_at(self.camera_location, _ORIGIN)

    def sample(self, split: str, seed: tuple[int, ...]) -> Scene:
        """Draws one orientation, inside or outside the held-out region."""
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        edge = self.held_out_half_angle_deg
        bounds = (0.0, edge) if split in HELD_OUT_SPLITS else (edge, 180.0)
        quat = quat_near(rng, self.held_out_axis, *bounds)
        return Scene(
            objects=(self.finish(SceneObject(rotation=quat)),),
            camera=self.camera,
            lights=sample_lights(rng, self.lamp_jitter_m),
            backdrop=self.backdrop,
            seed=seed,
            generator=GENERATOR,
        )

    def nominal(self) -> Scene:
        """The studio without objects and jitter, for a picture of unknown lamps."""
        lights = nominal_lights()
        return Scene((), camera=self.camera, lights=lights, backdrop=self.backdrop)

    def finish(self, obj: SceneObject) -> SceneObject:
        """A predicted orientation with everything that the programs do not say."""
        asset = load_catalog(self.assets)[self.asset]
        return replace(
            obj,
            location=_ORIGIN,
            color=self.color,
            material=self.material,
            shape=asset.id,
            extents=extents_m(asset, self.diagonal_m),
            pixel_coords=tuple(self.camera.project(_ORIGIN).tolist()),
        )
