"""What holds of SO(3), 6-DoF and ShapeNet scenes alike, which show assets."""

from collections.abc import Sequence

from igllm_pipelines.assets import Asset
from igllm_pipelines.domains.shapenet import ShapeNetConfig
from igllm_pipelines.domains.six_dof import SixDofConfig
from igllm_pipelines.domains.so3 import So3Config
from igllm_pipelines.validation.checks.kinds import (
    ROUNDING,
    Check,
    between,
    in_set,
    present,
)

AssetSource = So3Config | SixDofConfig | ShapeNetConfig


def asset_checks(config: AssetSource, counts: tuple[int, int]) -> list[Check]:
    """What holds of every such domain.

    Args:
        config: of the domain.
        counts: least and largest number of objects in a scene.
    """
    frame = float(config.width_px * config.height_px)
    numbers = ("x", "y", "z", "u", "v", "depth", "visible_pixels", "shape", "lowest_m")
    seen = (config.min_visible_pixels, frame)
    return [
        *present(*numbers),
        in_set("the rotation is given", "objects", "turned", (True,)),
        between(
            "the extents are those of the shape",
            "objects",
            "extents_error_m",
            (0.0, ROUNDING),
            show=("shape",),
        ),
        between("it lies before the camera", "objects", "depth", (0.1, 100.0)),
        between("enough of it is seen", "objects", "visible_pixels", seen),
        between("number of objects", "scenes", "objects", counts),
        between("the lamps are stored", "scenes", "lights", (1, 100)),
        in_set("the camera is stored", "scenes", "camera", (True,)),
        in_set("image width", "scenes", "width", (config.width_px,)),
        in_set("image height", "scenes", "height", (config.height_px,)),
        Check("the backdrop is stored", "scenes", "backdrop", "not_null"),
        in_set("the backdrop", "scenes", "backdrop", (config.backdrop,)),
    ]


def whole_box() -> Check:
    """No bounding box reaches over the edge of the image."""
    name = "all of it is in the image"
    return in_set(name, "objects", "box_in_image", (True,))


def fixed_camera() -> Check:
    """Every image has the one camera of the domain, but for rounding."""
    name = "the camera is the one of the domain"
    return between(name, "scenes", "camera_error", (0.0, ROUNDING))


def ids_of(assets: Sequence[Asset]) -> tuple[str, ...]:
    """The shapes that these assets are called in labels."""
    return tuple(asset.id for asset in assets)
