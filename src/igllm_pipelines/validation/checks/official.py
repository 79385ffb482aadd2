"""What holds of the official labels, with none of the fields that ours add."""

from collections.abc import Mapping, Sequence

from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.domains.shapenet import HELD_OUT_SHAPES
from igllm_pipelines.validation.checks.clevr import condition_check, known_words
from igllm_pipelines.validation.checks.kinds import (
    Check,
    between,
    in_set,
    present,
    shared_checks,
    unique_names,
)

# words that a domain's programs need, where the official labels have them
_OFFICIAL_WORDS: Mapping[str, tuple[str, ...]] = {
    "clevr": ("size", "color", "material", "shape"),
    "6dof": ("color", "material", "shape"),
    "shapenet": ("shape",),
}
_OFFICIAL_COUNTS = {"clevr": (3, 10), "shapenet": (1, 1000)}
_COLORED = ("train", "val_ID")  # splits of shapenet with colors


def official_checks(domain: str, splits: Sequence[str]) -> list[Check]:
    """The checks of official labels.

    Args:
        domain: its name.
        splits: of the download.
    """
    numbers = ("x", "y") if domain == "2d" else ("x", "y", "z", "u", "v")
    counts = _OFFICIAL_COUNTS.get(domain, (1, 1))
    inside = "pixel_coords lie in the image"
    return [
        *shared_checks(),
        *present(*numbers, *_OFFICIAL_WORDS.get(domain, ())),
        *_official_own(domain, splits),
        in_set(inside, "objects", "in_frame", (True,), show=("u", "v")),
        between("number of objects", "scenes", "objects", counts),
        *(unique_names(split) for split in splits),
    ]


def _official_own(domain: str, splits: Sequence[str]) -> list[Check]:
    """What holds in this domain only."""
    if domain == "2d":
        return [
            between(f"the dot lies in the image: {axis}", "objects", axis, (0.0, 1.0))
            for axis in "xy"
        ]
    turned = in_set("the rotation is given", "objects", "turned", (True,))
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
        in_set(name, "objects", "category", known, show=("shape",)),
        *(
            check
            for split in splits
            if split in _COLORED
            for check in present("color", split=split)
        ),
        *(
            in_set(
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
    conditions = ClevrConfig().conditions
    return [
        *known_words(),
        *(condition_check(split, conditions[split]) for split in splits),
    ]
