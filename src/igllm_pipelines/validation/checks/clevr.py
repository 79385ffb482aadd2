"""What holds of CLEVR scenes."""

from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.domains.clevr import CONDITIONS, GROUND_HALF_M, ClevrConfig
from igllm_pipelines.validation.checks.kinds import (
    HEIGHT_TOLERANCE_M,
    Check,
    between,
    in_set,
    present,
)


def clevr_checks(config: ClevrConfig) -> list[Check]:
    """The checks of CLEVR labels."""
    numbers = ("x", "y", "z", "u", "v", "depth", "visible_pixels")
    return [
        *present(*CLEVR_WORDS, *numbers),
        in_set("the rotation is given", "objects", "turned", (True,)),
        *known_words(),
        *(condition_check(split, name) for split, name in config.conditions.items()),
        *_clevr_geometry(config),
        *_clevr_scenes(config),
    ]


def known_words() -> list[Check]:
    """Every word is one of CLEVR's."""
    return [
        in_set(f"{name} is a known word", "objects", name, known)
        for name, known in CLEVR_WORDS.items()
    ]


def _clevr_geometry(config: ClevrConfig) -> list[Check]:
    ground = (-GROUND_HALF_M, GROUND_HALF_M)
    frame = float(config.width_px * config.height_px)
    return [
        between("x lies on the ground square", "objects", "x", ground),
        between("y lies on the ground square", "objects", "y", ground),
        between(
            "it stands on the ground: z is the radius of its size",
            "objects",
            "height_error",
            (0.0, HEIGHT_TOLERANCE_M),
            show=("size", "z"),
        ),
        between("it lies before the camera", "objects", "depth", (0.1, 100.0)),
        between(
            "enough of it is seen",
            "objects",
            "visible_pixels",
            (config.min_visible_pixels, frame),
        ),
    ]


def _clevr_scenes(config: ClevrConfig) -> list[Check]:
    number = (config.min_objects, config.max_objects)
    return [
        between("number of objects", "scenes", "objects", number),
        in_set("the camera is stored", "scenes", "camera", (True,)),
        in_set("image width", "scenes", "width", (config.width_px,)),
        in_set("image height", "scenes", "height", (config.height_px,)),
    ]


def condition_check(split: str, condition: str) -> Check:
    """The colors of a split follow a CoGenT condition, ``A`` or ``B``."""
    pairs = tuple(
        f"{shape} {color}"
        for shape, colors in CONDITIONS[condition].items()
        for color in colors
    )
    name = f"colors follow CoGenT condition {condition}"
    return in_set(name, "objects", "shape_color", pairs, split=split)
