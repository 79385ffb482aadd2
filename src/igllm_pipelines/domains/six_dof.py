"""6-DoF scenes: one toy airplane anywhere in a box, in any orientation.

The box hangs over the ground before a fixed camera. Poses (positions in the box, with
orientations) are uniform among those in which the whole bounding box of the object lies
in the image. Color, material and shape are uniform, and every shape is in both splits.

Not stated by the paper: the box, the number of shapes and their size, the words of
color and material (CLEVR's are taken), the camera, the lamps, the backdrop, the image
size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from igllm_pipelines.assets import Asset, AssetsConfig, load_catalog
from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.domains.drawn import Photographed
from igllm_pipelines.domains.fields import check_splits, check_studio, settle
from igllm_pipelines.domains.poses import (
    box_corners,
    extents_m,
    in_image,
    uniform_quat,
)
from igllm_pipelines.domains.studio import (
    CAMERA_LOCATION,
    nominal_lights,
    sample_lights,
)
from igllm_pipelines.scene.rotations import canonical_turn
from igllm_pipelines.scene.scene import Camera, Scene, SceneObject, Vector3

GENERATOR = "6dof-1"
MAX_TRIES = 1000
PLAIN_COLOR, PLAIN_MATERIAL = "gray", "rubber"


@dataclass(frozen=True)
class SixDofConfig(Photographed):
    """Which poses to draw. Only the splits are stated by the paper.

    Attributes:
        num_scenes: of each split.
        assets: the shapes.
        diagonal_m: of each one's bounding box.
        box_min_m, box_max_m: corners of the box of positions, world metres.
        camera_location: world metres; the camera looks at the centre of the box.
        width_px, height_px: image size.
        lens_mm, sensor_width_mm: of the camera; the sensor spans the longer side.
        lamp_jitter_m: each axis of a lamp moves by up to this much.
        backdrop: of `scene.BACKDROPS`.
        min_visible: pixels of the object, as a share of the frame.
    """

    num_scenes: Mapping[str, int] = field(
        default_factory=lambda: {"train": 4000, "val_ID": 300}
    )
    assets: AssetsConfig = AssetsConfig(
        categories=("airplane",), per_category=10, held_out=0.0
    )
    diagonal_m: float = 2.8
    box_min_m: Vector3 = (-0.9, -0.9, 1.4)
    box_max_m: Vector3 = (0.9, 0.9, 2.4)
    camera_location: Vector3 = CAMERA_LOCATION
    width_px: int = 128
    height_px: int = 128
    lens_mm: float = 80.0
    sensor_width_mm: float = 32.0
    lamp_jitter_m: float = 0.5
    backdrop: str = "floor"
    min_visible: float = 0.0026

    # no fields: they name the code, not the choice of scenes
    generator = GENERATOR
    prefix = "6DoF"

    def __post_init__(self) -> None:
        settle(self)
        check_splits("6dof", self.num_scenes)
        check_studio(self)
        for name in ("box_min_m", "box_max_m", "camera_location"):
            vector = getattr(self, name)
            if len(vector) != 3 or not np.all(np.isfinite(vector)):
                raise ValueError(f"{name} must be 3 numbers, it is {vector}")
        if np.any(np.greater(self.box_min_m, self.box_max_m)):
            raise ValueError("box_min_m must not exceed box_max_m on any axis")
        if self.backdrop != "white" and self.box_min_m[2] < self.diagonal_m / 2:
            raise ValueError(
                "box_min_m[2] must be at least diagonal_m / 2, or an object may reach "
                "into the ground"
            )
        if self.assets.held_out:
            raise ValueError("assets.held_out must be 0: both splits have every shape")

    @property
    def camera(self) -> Camera:
        """The one camera of all images."""
        centre = np.add(self.box_min_m, self.box_max_m) / 2
        return self.camera_at(self.camera_location, centre)

    def sample(self, split: str, seed: tuple[int, ...]) -> Scene:
        """Draws one object; nothing is held out of any split.

        Raises:
            ValueError: no place was found at which the whole object is in the image.
        """
        del split
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        assets = load_catalog(self.assets).assets
        asset = assets[int(rng.integers(len(assets)))]
        color, material = (
            str(rng.choice(CLEVR_WORDS[name])) for name in ("color", "material")
        )
        obj = SceneObject(color=color, material=material, shape=asset.id)
        camera = self.camera
        return Scene(
            objects=(_pose(rng, self, asset, obj, camera),),
            camera=camera,
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
        """A predicted object with its extents, and plain words for missing ones."""
        catalog = load_catalog(self.assets)
        asset = catalog.by_id.get(obj.shape or "", catalog.assets[0])
        return replace(
            obj,
            color=obj.color or PLAIN_COLOR,
            material=obj.material or PLAIN_MATERIAL,
            shape=asset.id,
            extents=extents_m(asset, self.diagonal_m),
        )


def _pose(
    rng: np.random.Generator,
    config: SixDofConfig,
    asset: Asset,
    obj: SceneObject,
    camera: Camera,
) -> SceneObject:
    """The object at a place where all of its bounding box is seen."""
    extents = extents_m(asset, config.diagonal_m)
    for _ in range(MAX_TRIES):
        quat = canonical_turn(uniform_quat(rng), asset.symmetry)
        location = rng.uniform(config.box_min_m, config.box_max_m)
        if in_image(camera, box_corners(location, quat, extents)):
            return replace(
                obj,
                location=tuple(location.tolist()),
                rotation=tuple(quat.tolist()),
                extents=extents,
                pixel_coords=tuple(camera.project(location).tolist()),
            )
    raise ValueError(
        f"in none of {MAX_TRIES} tries did {asset.id} lie wholly in the image: make "
        "lens_mm, diagonal_m or the box smaller"
    )
