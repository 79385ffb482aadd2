"""The figures of a domain's page, each with a caption that says what to see."""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from igllm_pipelines.domains.dots import DotsConfig, in_training_cells
from igllm_pipelines.metrics.dots import dot_positions
from igllm_pipelines.metrics.evaluate import main_error, predicted_scenes
from igllm_pipelines.report import error_figures, figures
from igllm_pipelines.report.breakdown import (
    QUARTERS,
    Group,
    PairErrors,
    by_count,
    by_size,
    error_unit,
    image_places,
    pair_errors,
    stated_errors,
)
from igllm_pipelines.report.results import RawImages, Results
from igllm_pipelines.report.tables import METRICS
from igllm_pipelines.scene import Scene
from igllm_pipelines.scene.program import WORD_ATTRIBUTES

_SHOWN = 100 / 160  # pixels of the page for a pixel of a figure

Errors = Mapping[str, Mapping[str, PairErrors]]
"""``{split: {encoding: errors}}``"""


@dataclass(frozen=True)
class Figure:
    """A picture of the page.

    Attributes:
        name: of its file, without folder and ending.
        png: its bytes.
        title: above it.
        caption: what to see in it.
    """

    name: str
    png: bytes
    title: str
    caption: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in which it is shown, so that its letters are like text."""
        width, height = struct.unpack(">II", self.png[16:24])  # of the PNG's header
        return round(width * _SHOWN), round(height * _SHOWN)


def measure(results: Results, raw: RawImages) -> Errors:
    """The errors of every object that an encoding answered."""
    return {
        split: {
            encoding: pair_errors(records, raw.scenes(split), reading)
            for encoding, reading in results.readings.items()
            if (records := results.predictions.get(encoding, {}).get(split))
        }
        for split in results.splits
    }


def make_figures(results: Results, raw: RawImages, errors: Errors) -> list[Figure]:
    """The figures that the domain's results allow."""
    makers = (
        *(_scatter, _maps, _bars, _angles, _counts, _sizes, _calibration),
        *(_validation, _losses),
    )
    found = [make(results, raw, errors) for make in makers]
    return [figure for figure in found if figure is not None]


def _scatter(results: Results, raw: RawImages, errors: Errors) -> Figure | None:
    """Figure 5: all answers of the split that covers the whole image."""
    split = results.splits[-1]
    if not isinstance(results.config, DotsConfig) or not errors[split]:
        return None
    preds, target = {}, {}
    for encoding, pairs in errors[split].items():
        records = results.predictions[encoding][split]
        syntax = results.readings[encoding].syntax
        preds[encoding] = dot_positions(predicted_scenes(records, syntax))
        target[encoding] = dot_positions(pairs.target)
    in_cell = partial(in_training_cells, results.config)
    png = figures.scatter(preds, target, in_cell)
    caption = (
        f"As Figure 5 of the paper. Every dot is one image of {split}; training saw "
        "the shaded squares only. Right answers look like the left panel. Where an "
        "encoding only repeats what it saw, the held-out dots move into the shaded "
        "squares and the white ones empty."
    )
    return Figure("scatter", png, "Where the dots are said to be", caption)


def _maps(results: Results, raw: RawImages, errors: Errors) -> Figure | None:
    """Errors by place; in 2D those of Figure 5, of the split that covers the image."""
    dots = isinstance(results.config, DotsConfig)
    splits = results.splits[-1:] if dots else results.splits
    maps = {}
    for split in splits:
        found = errors[split]
        if found and (names := [s.image_filename for s in _target(found)]):
            shape = raw.image(split, names[0]).shape
            maps[split] = {
                e: (image_places(pairs, shape), pairs.errors)
                for e, pairs in found.items()
            }
    in_cell = None
    if isinstance(results.config, DotsConfig):
        in_cell = partial(in_training_cells, results.config)
    png = error_figures.error_maps(maps, error_unit(results.syntax), in_cell)
    if png is None:
        return None
    told = (
        "Outlined are the squares that training saw: an encoding that carries over "
        "errs no more between them."
        if dots
        else "Objects that are seen higher up stand further away, those at the edges "
        "may be cut off."
    )
    caption = (
        "The mean error by where in the image the true object is; dark is far off, "
        f"gray is no object. {told}"
    )
    return Figure("positions", png, "Errors by position", caption)


def _target(found: Mapping[str, PairErrors]) -> Sequence[Scene]:
    return next(iter(found.values())).target


def _bars(results: Results, raw: RawImages, errors: Errors) -> Figure | None:
    words = [name for name in results.syntax.attributes if name in WORD_ATTRIBUTES]
    if any(
        "category" in m for splits in results.metrics.values() for m in splits.values()
    ):
        words.append("category")
    png = figures.attribute_bars(results.domain, results.metrics, results.splits, words)
    if png is None:
        return None
    caption = (
        f"Percent of matched objects with the right word. {_DROPS[results.domain]}Dark "
        "lines: the paper's figures, at its scale."
    )
    return Figure("attributes", png, "Attributes", caption)


# what a difference between the panels of `_bars` shows
_DROPS: Mapping[str, str] = {
    "clevr": "A drop from the left to the right panel is what unseen pairs of shape "
    "and color cost. ",
    "6dof": "",
    "shapenet": "A drop from the first panel to another is what the unseen textures, "
    "shapes or cameras of that split cost. ",
}


def _angles(results: Results, raw: RawImages, errors: Errors) -> Figure | None:
    """How the errors of the orientations are spread."""
    if results.syntax.rotation_rep == "yaw":
        return None
    spread = {
        split: {
            encoding: pairs.angles_deg[np.isfinite(pairs.angles_deg)]
            for encoding, pairs in found.items()
        }
        for split, found in errors.items()
    }
    png = figures.error_shares(spread, METRICS["geodesic"].title)
    if png is None:
        return None
    caption = (
        "Share of matched objects whose orientation errs by less than so many degrees: "
        "the steeper at the left, the better. A rise at the right end is objects taken "
        "for turned round."
    )
    return Figure("orientations", png, "Errors of the orientations", caption)


def _counts(results: Results, raw: RawImages, errors: Errors) -> Figure | None:
    title = "true objects in the image"
    png = error_figures.grouped_errors(
        _grouped(errors, by_count), error_unit(results.syntax), title
    )
    if png is None:
        return None
    caption = (
        "The mean error of the objects of images with so many of them, n objects in "
        "all; bars are 95 % intervals. A rise says that crowded scenes are harder."
    )
    return Figure("counts", png, "Errors by number of objects", caption)


def _sizes(results: Results, raw: RawImages, errors: Errors) -> Figure | None:
    groups = _grouped(errors, by_size)
    labels = {g.label for of in groups.values() for rows in of.values() for g in rows}
    title = (
        "objects by visible pixels" if {*QUARTERS} & labels else "size of the object"
    )
    png = error_figures.grouped_errors(groups, error_unit(results.syntax), title)
    if png is None:
        return None
    caption = (
        "The mean error by how much of the object is seen, n objects in each group; "
        "bars are 95 % intervals. A high point at the left says that small or hidden "
        "objects are placed worse."
    )
    return Figure("sizes", png, "Errors by size", caption)


def _grouped(
    errors: Errors, group: Callable[[PairErrors], list[Group]]
) -> dict[str, dict[str, list[Group]]]:
    return {
        split: {encoding: group(pairs) for encoding, pairs in found.items()}
        for split, found in errors.items()
    }


def _calibration(results: Results, raw: RawImages, errors: Errors) -> Figure | None:
    """Where a model states how unsure it is."""
    stated = {
        split: {
            encoding: stated_errors(results.predictions[encoding][split], pairs)
            for encoding, pairs in found.items()
        }
        for split, found in errors.items()
    }
    unit = "[image sides]" if isinstance(results.config, DotsConfig) else "[m]"
    png = error_figures.calibration(stated, unit)
    if png is None:
        return None
    caption = (
        "Coordinates in ten groups, from those that the model says it is sure of to "
        "those it is not; each point is the root mean square of what it states and of "
        "what it errs. On the dashed line it is right about itself, above it it is too "
        "sure, below too careful."
    )
    return Figure("calibration", png, "Does the model know how unsure it is?", caption)


def _validation(results: Results, raw: RawImages, errors: Errors) -> Figure | None:
    unit = METRICS[main_error(results.syntax)].title
    png = figures.validation_curves(results.histories, results.splits, unit)
    if png is None:
        return None
    caption = (
        "Lower is better, on a logarithmic scale, measured on a fixed few of the "
        "held-out images. A curve that flattens early has learned what it can."
    )
    title = "Error on held-out images while training"
    return Figure("validation", png, title, caption)


def _losses(results: Results, raw: RawImages, errors: Errors) -> Figure | None:
    png = figures.loss_curves(results.histories)
    if png is None:
        return None
    caption = (
        "Means between two records, on a logarithmic scale. The cross-entropies do not "
        "compare: char spells each number in several tokens, float in one."
    )
    return Figure("losses", png, "Training losses", caption)
