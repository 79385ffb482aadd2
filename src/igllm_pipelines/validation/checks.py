"""What must hold of a domain's tables, as data; `suites` runs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from igllm_pipelines.assets import Asset, Catalog, load_catalog
from igllm_pipelines.domains import CLEVR_WORDS, DOMAINS
from igllm_pipelines.domains.clevr import CONDITIONS, GROUND_HALF_M, ClevrConfig
from igllm_pipelines.domains.dots import EVERYWHERE, DotsConfig
from igllm_pipelines.domains.official import OfficialConfig, OfficialDots
from igllm_pipelines.domains.shapenet import (
    HELD_OUT_SHAPES,
    HELD_OUT_TEXTURES,
    ShapeNetConfig,
    camera_ranges,
)
from igllm_pipelines.domains.six_dof import SixDofConfig
from igllm_pipelines.domains.so3 import HELD_OUT_SPLITS, So3Config
from igllm_pipelines.domains.sources import SceneConfig

Kind = Literal["between", "in_set", "not_null", "unique"]
TableName = Literal["objects", "scenes"]
PIXEL_TOLERANCE = 1.0
HEIGHT_TOLERANCE_M = 1e-3
ROUNDING = 1e-6  # of angles, metres and pixels that are the same but for rounding


@dataclass(frozen=True)
class Check:
    """One thing that must hold of every row of a column.

    Attributes:
        name: the check in plain words, as it stands in the report.
        table: which table of `tables.Tables`.
        column: of that table.
        kind: ``between`` and ``in_set`` pass over empty cells, ``not_null`` looks for
            them, ``unique`` allows a value once.
        limits: ``low`` and ``high`` of ``between``, ``words`` of ``in_set``.
        split: where the check holds, None for all splits together.
        show: other columns that explain a failing row.
    """

    name: str
    table: TableName
    column: str
    kind: Kind
    limits: Mapping[str, Any] = field(default_factory=dict)
    split: str | None = None
    show: tuple[str, ...] = ()


def checks_for(config: SceneConfig) -> list[Check]:
    """Everything that the scenes of `config` must fulfil."""
    match config:
        case OfficialConfig():
            return official_checks(config.domain, config.splits)
        case OfficialDots():
            return official_checks("2d", tuple(config.num_scenes))
        case DotsConfig():
            own = dot_checks(config)
        case ClevrConfig():
            own = clevr_checks(config)
        case So3Config():
            own = so3_checks(config)
        case SixDofConfig():
            own = six_dof_checks(config)
        case ShapeNetConfig():
            own = shapenet_checks(config)
    return [*_shared(), *own, *(_names(split) for split in config.num_scenes)]


def _shared() -> list[Check]:
    return [
        _in_set("every label has its image", "scenes", "has_image", (True,)),
        Check("no scene occurs twice", "scenes", "content", "unique"),
        _between(
            f"location projects onto pixel_coords within {PIXEL_TOLERANCE:g} px",
            "objects",
            "pixel_error",
            (0.0, PIXEL_TOLERANCE),
            show=("u", "v", "projected_u", "projected_v"),
        ),
    ]


def _names(split: str) -> Check:
    return Check("image names are unique", "scenes", "image", "unique", split=split)


def _present(*columns: str, split: str | None = None) -> list[Check]:
    return [
        Check(f"{name} is given", "objects", name, "not_null", split=split)
        for name in columns
    ]


def _between(
    name: str,
    table: TableName,
    column: str,
    bounds: tuple[float, float],
    *,
    split: str | None = None,
    show: tuple[str, ...] = (),
) -> Check:
    limits = {"low": bounds[0], "high": bounds[1]}
    return Check(name, table, column, "between", limits, split, show)


def _in_set(
    name: str,
    table: TableName,
    column: str,
    words: tuple[Any, ...],
    *,
    split: str | None = None,
    show: tuple[str, ...] = (),
) -> Check:
    return Check(name, table, column, "in_set", {"words": words}, split, show)


def clevr_checks(config: ClevrConfig) -> list[Check]:
    """The checks of CLEVR labels."""
    vocabulary = DOMAINS["clevr"].syntax.words
    numbers = ("x", "y", "z", "u", "v", "depth", "visible_pixels")
    words = [
        _in_set(f"{name} is a known word", "objects", name, known)
        for name, known in vocabulary.items()
    ]
    conditions = [
        _condition(split, condition) for split, condition in config.conditions.items()
    ]
    return [
        *_present(*vocabulary, *numbers),
        _in_set("the rotation is given", "objects", "turned", (True,)),
        *words,
        *conditions,
        *_clevr_geometry(config),
        *_clevr_scenes(config),
    ]


def _clevr_geometry(config: ClevrConfig) -> list[Check]:
    ground = (-GROUND_HALF_M, GROUND_HALF_M)
    frame = float(config.width_px * config.height_px)
    return [
        _between("x lies on the ground square", "objects", "x", ground),
        _between("y lies on the ground square", "objects", "y", ground),
        _between(
            "it stands on the ground: z is the radius of its size",
            "objects",
            "height_error",
            (0.0, HEIGHT_TOLERANCE_M),
            show=("size", "z"),
        ),
        _between("it lies before the camera", "objects", "depth", (0.1, 100.0)),
        _between(
            "enough of it is seen",
            "objects",
            "visible_pixels",
            (config.min_visible_pixels, frame),
        ),
    ]


def _clevr_scenes(config: ClevrConfig) -> list[Check]:
    number = (config.min_objects, config.max_objects)
    return [
        _between("number of objects", "scenes", "objects", number),
        _in_set("the camera is stored", "scenes", "camera", (True,)),
        _in_set("image width", "scenes", "width", (config.width_px,)),
        _in_set("image height", "scenes", "height", (config.height_px,)),
    ]


def _condition(split: str, condition: str) -> Check:
    pairs = tuple(
        f"{shape} {color}"
        for shape, colors in CONDITIONS[condition].items()
        for color in colors
    )
    name = f"colors follow CoGenT condition {condition}"
    return _in_set(name, "objects", "shape_color", pairs, split=split)


def dot_checks(config: DotsConfig) -> list[Check]:
    """The checks of 2D labels."""
    inside = (config.radius, 1 - config.radius)
    name = "the dot lies in a training cell"
    cells = [
        _in_set(
            name, "objects", "in_training_cell", (True,), split=split, show=("x", "y")
        )
        for split in config.num_scenes
        if split != EVERYWHERE
    ]
    return [
        *_present("x", "y", "u", "v"),
        _between("the dot lies in the image: x", "objects", "x", inside),
        _between("the dot lies in the image: y", "objects", "y", inside),
        _in_set("one dot an image", "scenes", "objects", (1,)),
        *cells,
    ]


AssetSource = So3Config | SixDofConfig | ShapeNetConfig


def _asset_checks(config: AssetSource, counts: tuple[int, int]) -> list[Check]:
    """What holds wherever assets are drawn."""
    frame = float(config.width_px * config.height_px)
    numbers = ("x", "y", "z", "u", "v", "depth", "visible_pixels", "shape", "lowest_m")
    seen = (config.min_visible_pixels, frame)
    return [
        *_present(*numbers),
        _in_set("the rotation is given", "objects", "turned", (True,)),
        _between(
            "the extents are those of the shape",
            "objects",
            "extents_error_m",
            (0.0, ROUNDING),
            show=("shape",),
        ),
        _between("it lies before the camera", "objects", "depth", (0.1, 100.0)),
        _between("enough of it is seen", "objects", "visible_pixels", seen),
        _between("number of objects", "scenes", "objects", counts),
        _between("the lamps are stored", "scenes", "lights", (1, 100)),
        _in_set("the camera is stored", "scenes", "camera", (True,)),
        _in_set("image width", "scenes", "width", (config.width_px,)),
        _in_set("image height", "scenes", "height", (config.height_px,)),
        Check("the backdrop is stored", "scenes", "backdrop", "not_null"),
        _in_set("the backdrop", "scenes", "backdrop", (config.backdrop,)),
    ]


def _whole() -> Check:
    name = "all of it is in the image"
    return _in_set(name, "objects", "box_in_image", (True,))


def _fixed_camera() -> Check:
    name = "the camera is the one of the domain"
    return _between(name, "scenes", "camera_error", (0.0, ROUNDING))


def _ids(assets: Sequence[Asset]) -> tuple[str, ...]:
    return tuple(asset.id for asset in assets)


def so3_checks(config: So3Config) -> list[Check]:
    """The checks of SO(3) labels; no held-out orientation leaks into training."""
    edge = config.held_out_half_angle_deg
    regions = [
        _between(
            "the orientation lies in the held-out region"
            if split in HELD_OUT_SPLITS
            else "the orientation lies outside the held-out region",
            "objects",
            "forward_angle_deg",
            (0.0, edge + ROUNDING)
            if split in HELD_OUT_SPLITS
            else (edge - ROUNDING, 180.0),
            split=split,
        )
        for split in config.num_scenes
    ]
    words = ("shape", config.asset), ("color", config.color)
    return [
        *_asset_checks(config, (1, 1)),
        *(
            _between(f"it is at the origin: {axis}", "objects", axis, (0.0, 0.0))
            for axis in "xyz"
        ),
        *(
            _in_set(f"{name} is that of all images", "objects", name, (word,))
            for name, word in (*words, ("material", config.material))
        ),
        _fixed_camera(),
        *regions,
    ]


def six_dof_checks(config: SixDofConfig) -> list[Check]:
    """The checks of 6-DoF labels."""
    shapes = _ids(load_catalog(config.assets).assets)
    words = {name: CLEVR_WORDS[name] for name in ("color", "material")}
    box = zip("xyz", config.box_min_m, config.box_max_m, strict=True)
    return [
        *_asset_checks(config, (1, 1)),
        *_present(*words),
        *(
            _in_set(f"{name} is a known word", "objects", name, known)
            for name, known in {**words, "shape": shapes}.items()
        ),
        *(
            _between(f"it lies in the box: {axis}", "objects", axis, (low, high))
            for axis, low, high in box
        ),
        _whole(),
        _fixed_camera(),
    ]


def shapenet_checks(config: ShapeNetConfig) -> list[Check]:
    """The checks of ShapeNet labels; what is held out does not leak into training."""
    catalog = load_catalog(config.assets)
    ground = (-config.ground_half_m, config.ground_half_m)
    apart = (config.diagonal_m + config.min_dist_m - ROUNDING, 1000.0)
    centered = (0.0, PIXEL_TOLERANCE)
    return [
        *_asset_checks(config, (config.min_objects, config.max_objects)),
        _in_set("color is a known word", "objects", "color", CLEVR_WORDS["color"]),
        _between("x lies on the ground square", "objects", "x", ground),
        _between("y lies on the ground square", "objects", "y", ground),
        *_heights(config),
        _whole(),
        _between("objects keep their distance", "scenes", "closest_m", apart),
        _between("it looks at the origin", "scenes", "aim_error_px", centered),
        _between("camera azimuth", "scenes", "azimuth_error_deg", (0.0, ROUNDING)),
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
    checks = [_between(name, "objects", "lowest_m", bounds, show=("z",))]
    if config.placement == "resting":
        checks.append(_between("it is upright", "objects", "tilt_deg", (0.0, 0.01)))
    return checks


def _held_out(config: ShapeNetConfig, catalog: Catalog, split: str) -> list[Check]:
    """Instances, looks and camera of a split."""
    pitches_deg, radii_m = camera_ranges(config, split)
    unseen = split in HELD_OUT_SHAPES
    kind = "held-out" if unseen else "training"
    shapes = _ids(catalog.held_out() if unseen else catalog.training())
    return [
        _in_set(
            f"the shape is a {kind} instance", "objects", "shape", shapes, split=split
        ),
        *_looks(config, split),
        _between(
            "camera pitch", "scenes", "pitch_deg", _wider(pitches_deg), split=split
        ),
        _between("camera radius", "scenes", "radius_m", _wider(radii_m), split=split),
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
        _in_set(
            "color is given" if colored else "no color is given",
            "objects",
            "has_color",
            (colored,),
            split=split,
        ),
        _in_set(name, "objects", "texture_family", families, split=split),
        *([] if colored else [_textured(split, unseen)]),
    ]


def _textured(split: str, wanted: bool) -> Check:
    name = "it has a texture" if wanted else "it has no texture"
    return _in_set(name, "objects", "has_texture", (wanted,), split=split)


# words that a domain's programs need, where the official labels have them
_OFFICIAL_WORDS: Mapping[str, tuple[str, ...]] = {
    "clevr": ("size", "color", "material", "shape"),
    "6dof": ("color", "material", "shape"),
    "shapenet": ("shape",),
}
_OFFICIAL_COUNTS = {"clevr": (3, 10), "shapenet": (1, 1000)}
_COLORED = ("train", "val_ID")  # splits of shapenet with colors


def official_checks(domain: str, splits: Sequence[str]) -> list[Check]:
    """What official labels must fulfil, with none of the fields that ours add.

    Args:
        domain: its name.
        splits: of the download.
    """
    numbers = ("x", "y") if domain == "2d" else ("x", "y", "z", "u", "v")
    counts = _OFFICIAL_COUNTS.get(domain, (1, 1))
    inside = "pixel_coords lie in the image"
    return [
        *_shared(),
        *_present(*numbers, *_OFFICIAL_WORDS.get(domain, ())),
        *_official_own(domain, splits),
        _in_set(inside, "objects", "in_frame", (True,), show=("u", "v")),
        _between("number of objects", "scenes", "objects", counts),
        *(_names(split) for split in splits),
    ]


def _official_own(domain: str, splits: Sequence[str]) -> list[Check]:
    """What holds in this domain only."""
    if domain == "2d":
        return [
            _between(f"the dot lies in the image: {axis}", "objects", axis, (0.0, 1.0))
            for axis in "xy"
        ]
    turned = _in_set("the rotation is given", "objects", "turned", (True,))
    if domain == "clevr":
        return [turned, *_official_clevr(splits)]
    if domain == "shapenet":
        return [turned, *_official_shapenet(splits)]
    return [turned]


def _official_shapenet(splits: Sequence[str]) -> list[Check]:
    """Categories, colors where they are known, and instances that are held out."""
    known = ("sofa", "chair", "table")
    unseen = "the shape is none of training's"
    name = "the shape names its category"
    return [
        _in_set(name, "objects", "category", known, show=("shape",)),
        *(
            check
            for split in splits
            if split in _COLORED
            for check in _present("color", split=split)
        ),
        *(
            _in_set(
                unseen,
                "objects",
                "trained_shape",
                (False,),
                split=split,
                show=("shape",),
            )
            for split in splits
            if split in HELD_OUT_SHAPES
        ),
    ]


def _official_clevr(splits: Sequence[str]) -> list[Check]:
    """Known words, and the CoGenT condition of each split."""
    words = [
        _in_set(f"{name} is a known word", "objects", name, known)
        for name, known in CLEVR_WORDS.items()
    ]
    conditions = ClevrConfig().conditions
    return [
        *words,
        *(_condition(split, conditions[split]) for split in splits),
    ]
