"""What holds of ShapeNet scenes."""

from igllm_pipelines.assets import Catalog, load_catalog
from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.domains.shapenet import (
    HELD_OUT_SHAPES,
    HELD_OUT_TEXTURES,
    ShapeNetConfig,
    camera_ranges,
)
from igllm_pipelines.validation.checks.assets import asset_checks, ids_of, whole_box
from igllm_pipelines.validation.checks.kinds import (
    HEIGHT_TOLERANCE_M,
    PIXEL_TOLERANCE,
    ROUNDING,
    Check,
    between,
    in_set,
)


def shapenet_checks(config: ShapeNetConfig) -> list[Check]:
    """The checks of ShapeNet labels; what is held out does not leak into training."""
    catalog = load_catalog(config.assets)
    ground = (-config.ground_half_m, config.ground_half_m)
    apart = (config.diagonal_m + config.min_dist_m - ROUNDING, 1000.0)
    centered = (0.0, PIXEL_TOLERANCE)
    return [
        *asset_checks(config, (config.min_objects, config.max_objects)),
        in_set("color is a known word", "objects", "color", CLEVR_WORDS["color"]),
        between("x lies on the ground square", "objects", "x", ground),
        between("y lies on the ground square", "objects", "y", ground),
        *_heights(config),
        whole_box(),
        between("objects keep their distance", "scenes", "closest_m", apart),
        between("it looks at the origin", "scenes", "aim_error_px", centered),
        between("camera azimuth", "scenes", "azimuth_error_deg", (0.0, ROUNDING)),
        *(
            check
            for split in config.num_scenes
            for check in _held_out(config, catalog, split)
        ),
    ]


def _heights(config: ShapeNetConfig) -> list[Check]:
    """How high an object may hang by the placement."""
    over_m = 0.0 if config.placement == "resting" else config.float_m
    name = "it stands on the ground" if over_m == 0 else "it lies over the ground"
    bounds = (-HEIGHT_TOLERANCE_M, over_m + HEIGHT_TOLERANCE_M)
    checks = [between(name, "objects", "lowest_m", bounds, show=("z",))]
    if config.placement == "resting":
        checks.append(between("it is upright", "objects", "tilt_deg", (0.0, 0.01)))
    return checks


def _held_out(config: ShapeNetConfig, catalog: Catalog, split: str) -> list[Check]:
    """Instances, looks and camera of a split."""
    pitches_deg, radii_m = camera_ranges(config, split)
    unseen = split in HELD_OUT_SHAPES
    kind = "held-out" if unseen else "training"
    shapes = ids_of(catalog.held_out() if unseen else catalog.training())
    return [
        in_set(
            f"the shape is a {kind} instance", "objects", "shape", shapes, split=split
        ),
        *_looks(config, split),
        between(
            "camera pitch", "scenes", "pitch_deg", _wider(pitches_deg), split=split
        ),
        between("camera radius", "scenes", "radius_m", _wider(radii_m), split=split),
    ]


def _wider(bounds: tuple[float, float]) -> tuple[float, float]:
    return bounds[0] - ROUNDING, bounds[1] + ROUNDING


def _looks(config: ShapeNetConfig, split: str) -> list[Check]:
    """Color and texture of a split."""
    unseen = split in HELD_OUT_TEXTURES
    colored = not unseen and config.appearance == "colored"
    families = config.held_out_textures if unseen else config.textures
    name = f"the texture is of a {'held-out' if unseen else 'training'} family"
    return [
        in_set(
            "color is given" if colored else "no color is given",
            "objects",
            "has_color",
            (colored,),
            split=split,
        ),
        in_set(name, "objects", "texture_family", families, split=split),
        *([] if colored else [_textured(split, unseen)]),
    ]


def _textured(split: str, wanted: bool) -> Check:
    name = "it has a texture" if wanted else "it has no texture"
    return in_set(name, "objects", "has_texture", (wanted,), split=split)
