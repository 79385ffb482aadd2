"""What must hold of a domain's tables, as data; `suites` runs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.clevr import CONDITIONS, GROUND_HALF_M, ClevrConfig
from igllm_pipelines.domains.dots import EVERYWHERE, DotsConfig
from igllm_pipelines.domains.sources import SceneConfig

Kind = Literal["between", "in_set", "not_null", "unique"]
TableName = Literal["objects", "scenes"]
PIXEL_TOLERANCE = 1.0
HEIGHT_TOLERANCE_M = 1e-3


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
    """Everything that the scenes drawn from `config` must fulfil."""
    own = dot_checks(config) if isinstance(config, DotsConfig) else clevr_checks(config)
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
            ("u", "v", "projected_u", "projected_v"),
        ),
    ]


def _names(split: str) -> Check:
    return Check("image names are unique", "scenes", "image", "unique", split=split)


def _present(*columns: str) -> list[Check]:
    return [Check(f"{name} is given", "objects", name, "not_null") for name in columns]


def _between(
    name: str,
    table: TableName,
    column: str,
    bounds: tuple[float, float],
    show: tuple[str, ...] = (),
) -> Check:
    limits = {"low": bounds[0], "high": bounds[1]}
    return Check(name, table, column, "between", limits, show=show)


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
            ("size", "z"),
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
