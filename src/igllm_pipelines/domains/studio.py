"""CLEVR's camera place and lamps, which the other rendered domains share."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.scene.rotations import from_representation, quat_from_matrix
from igllm_pipelines.scene.scene import Light, look_at_rotation

Array = NDArray[np.float64]

CAMERA_LOCATION = (7.481132, -6.50764, 5.343665)
CAMERA_AZIMUTH_DEG = -41.02  # of that place, from the x axis
# name: location, watts, side in metres, linear colour
LAMPS = {
    "Lamp_Key": (
        (6.44671, -2.905175, 4.258398), 78.5398, 0.5, (1.0, 0.93231, 0.81666)
    ),
    "Lamp_Fill": (
        (-4.671124, -4.013597, 3.011225), 23.5619, 0.5, (0.76167, 0.81772, 1.0)
    ),
    "Lamp_Back": ((-1.168501, 2.646024, 5.815737), 39.2699, 1.0, (1.0, 1.0, 1.0)),
}  # fmt: skip
SUN_ROTATION_RAD = (0.236028, 0.41688, 0.097079)  # extrinsic xyz
SUN_ENERGY, SUN_ANGLE_RAD = 0.45, 0.19934


def sample_lights(rng: np.random.Generator, jitter_m: float) -> tuple[Light, ...]:
    """CLEVR's three lamps, each axis moved by up to `jitter_m`, and its sun.

    The lamps point at the origin wherever they are.
    """
    return _lights([rng.uniform(-jitter_m, jitter_m, 3) for _ in LAMPS])


def nominal_lights() -> tuple[Light, ...]:
    """CLEVR's lamps and sun where they stand without any jitter."""
    return _lights([np.zeros(3) for _ in LAMPS])


def _lights(offsets: Sequence[Array]) -> tuple[Light, ...]:
    lamps = []
    for offset, (name, lamp) in zip(offsets, LAMPS.items(), strict=True):
        nominal, watts, side_m, color = lamp
        location = np.add(nominal, offset)
        rotation = quat_from_matrix(look_at_rotation(location, (0.0, 0.0, 0.0)))
        place, turn = tuple(location.tolist()), tuple(rotation.tolist())
        lamps.append(Light(name, "AREA", place, turn, watts, side_m, color))
    return (*lamps, _sun())


def _sun() -> Light:
    turn = tuple(from_representation(SUN_ROTATION_RAD, "euler").tolist())
    white = (1.0, 1.0, 1.0)
    return Light("Sun", "SUN", (0.0, 0.0, 0.0), turn, SUN_ENERGY, SUN_ANGLE_RAD, white)
