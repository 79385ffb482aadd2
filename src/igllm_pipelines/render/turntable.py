"""Scenes that show one asset alone, to look at it from any side."""

import math

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.assets import Asset
from igllm_pipelines.scene.rotations import quat_from_matrix
from igllm_pipelines.scene.scene import (
    Camera,
    Light,
    Scene,
    SceneObject,
    look_at_rotation,
)

Array = NDArray[np.float64]
LENS_MM, SENSOR_MM = 50.0, 32.0
FILL = 0.9  # share of the image that the asset's bounding sphere spans
# name: yaw from the camera and pitch in radians, watts
_LAMPS = {
    "Key": (math.radians(40), math.radians(45), 80.0),
    "Fill": (math.radians(-60), math.radians(25), 25.0),
    "Back": (math.radians(170), math.radians(50), 45.0),
}
_LAMP_DISTANCE_M, _LAMP_SIDE_M = 4.0, 1.0


def asset_scene(
    asset: Asset,
    yaw_rad: float,
    pitch_rad: float,
    *,
    size_px: int = 128,
    backdrop: str = "floor",
    color: str | None = None,
    texture: str | None = None,
) -> Scene:
    """An asset upright on z = 0, its bounding box a metre across; lamps included.

    Args:
        asset: of a catalog.
        yaw_rad: of the camera about the z axis: 0 looks at the asset's front, pi / 2
            at its left side.
        pitch_rad: of the camera above the horizon, not straight from above or below.
        size_px: side of the square picture.
        backdrop: of `scene.scene.BACKDROPS`.
        color: word to paint it in, None for its own materials.
        texture: ``<family>_<nnnn>`` instead, None for none.
    """
    centre = np.asarray((0.0, 0.0, asset.extents[2] / 2))
    half_fov_rad = math.atan(SENSOR_MM / 2 / LENS_MM)
    distance_m = 0.5 / math.sin(half_fov_rad * FILL)
    camera = Camera.look_at(
        centre + distance_m * _direction(yaw_rad, pitch_rad),
        centre,
        lens_mm=LENS_MM,
        sensor_width_mm=SENSOR_MM,
        width_px=size_px,
        height_px=size_px,
    )
    location = tuple(centre.tolist())
    obj = SceneObject(
        location=location,
        rotation=(1.0, 0.0, 0.0, 0.0),
        color=color,
        shape=asset.id,
        texture=texture,
        extents=asset.extents,
        pixel_coords=tuple(camera.project(location).tolist()),
    )
    lights = tuple(_lamp(name, yaw_rad, centre) for name in _LAMPS)
    return Scene((obj,), f"{asset.id}.png", camera, lights, backdrop)


def _direction(yaw_rad: float, pitch_rad: float) -> Array:
    """Unit vector from the asset to a place around it; yaw 0 is +y, its front."""
    flat = math.cos(pitch_rad)
    return np.asarray(
        (-flat * math.sin(yaw_rad), flat * math.cos(yaw_rad), math.sin(pitch_rad))
    )


def _lamp(name: str, yaw_rad: float, target: Array) -> Light:
    yaw, pitch_rad, watts = _LAMPS[name]
    location = target + _LAMP_DISTANCE_M * _direction(yaw_rad + yaw, pitch_rad)
    turn = quat_from_matrix(look_at_rotation(location, target))
    place, rotation = tuple(location.tolist()), tuple(turn.tolist())
    return Light(name, "AREA", place, rotation, watts, _LAMP_SIDE_M, (1.0, 1.0, 1.0))
