"""Puts a domain's report together from metrics, histories and predictions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from igllm_pipelines.domains import DOMAINS, scored_splits
from igllm_pipelines.domains.dots import DotsConfig, in_training_cells
from igllm_pipelines.domains.official import OfficialConfig
from igllm_pipelines.domains.sources import SceneConfig
from igllm_pipelines.metrics.dots import dot_positions
from igllm_pipelines.metrics.evaluate import (
    Records,
    main_error,
    predicted_scenes,
    scenes_of,
)
from igllm_pipelines.metrics.matching import match_scenes
from igllm_pipelines.metrics.objects import pair_angles_deg
from igllm_pipelines.report import figures
from igllm_pipelines.report.notes import Scale, findings, scale_note
from igllm_pipelines.report.page import Figure, Image, SampleImages, Section, make_page
from igllm_pipelines.report.samples import (
    Predictions,
    Reading,
    Sample,
    make_samples,
)
from igllm_pipelines.report.tables import (
    METRICS,
    Metrics,
    metrics_table,
    split_title,
)
from igllm_pipelines.report.terminal import summary_text
from igllm_pipelines.scene import ProgramSyntax, Scene
from igllm_pipelines.scene.program import WORD_ATTRIBUTES

Render = Callable[[Sequence[Scene]], Sequence[Image]]


class RawImages(Protocol):
    """Scenes and images of all splits."""

    def scenes(self, split: str) -> list[Scene]:
        """Scenes of a split."""

    def image(self, split: str, filename: str) -> Image:
        """One image ``(height, width, 3)``."""


@dataclass(frozen=True)
class Results:
    """What the encodings of a domain came to.

    Attributes:
        domain: its name.
        config: of the scenes.
        metrics: ``{encoding: {split: {metric: number}}}``.
        histories: records of losses and scores by step, of each encoding.
        predictions: ``{encoding: {split: records}}``.
        readings: how the programs of each encoding are read.
        pretrained: the language model that was tuned; None: one from scratch.
    """

    domain: str
    config: SceneConfig
    metrics: Metrics
    histories: Mapping[str, figures.History]
    predictions: Mapping[str, Predictions]
    readings: Mapping[str, Reading]
    pretrained: str | None = None

    @property
    def syntax(self) -> ProgramSyntax:
        """Of the first encoding; the others write rotations in another way at most."""
        return next(iter(self.readings.values())).syntax

    @property
    def splits(self) -> tuple[str, ...]:
        """The test splits, in-distribution first."""
        scored = {split for metrics in self.metrics.values() for split in metrics}
        return scored_splits(self.domain, scored)

    def notes(self) -> list[str]:
        """What came out, and last at which scale."""
        steps = {
            encoding: int(max((record["step"] for record in history), default=0))
            for encoding, history in self.histories.items()
        }
        tests = {
            split: int(max(m.get(split, {}).get("images", 0) for m in found))
            for split in self.splits
            if (found := list(self.metrics.values()))
        }
        config = self.config
        width_px = None if isinstance(config, OfficialConfig) else config.width_px
        images = config.num_scenes.get(DOMAINS[self.domain].splits[0])
        scale = Scale(images, width_px, steps, tests, self.pretrained)
        found_out = findings(self.domain, self.metrics, self.splits)
        return [*found_out, scale_note(self.domain, scale)]


def make_report(
    results: Results, raw: RawImages, render: Render, samples: int
) -> dict[str, bytes]:
    """The files of the domain's page, ``index.html`` first.

    Args:
        results: of all encodings.
        raw: the true scenes and their images.
        render: makes the pictures of scenes, in their order.
        samples: rows of input, programs and reconstructions for each split.
    """
    return make_page(
        results.domain,
        metrics_table(results.domain, results.metrics, results.splits),
        results.notes(),
        make_figures(results, raw),
        make_sections(results, raw, render, samples),
    )


def summary(results: Results, paths: Mapping[str, str]) -> str:
    """The text at the end of a run."""
    return summary_text(
        results.domain, results.metrics, results.splits, results.notes(), paths
    )


def make_sections(
    results: Results, raw: RawImages, render: Render, count: int
) -> list[Section]:
    """Sample rows of every test split; all pictures are rendered in one call."""
    samples = {
        split: make_samples(
            split,
            raw.scenes(split),
            results.predictions,
            results.readings,
            count,
        )
        for split in results.splits
    }
    drawn = _render_all([s for rows in samples.values() for s in rows], render)
    return [
        Section(
            title=f"Samples of {split_title(results.domain, split)}",
            samples=[
                (s, SampleImages(raw.image(split, s.image), drawn[split, s.image]))
                for s in rows
            ],
        )
        for split, rows in samples.items()
        if rows
    ]


def _render_all(
    samples: Sequence[Sample], render: Render
) -> dict[tuple[str, str], dict[str, Image]]:
    """Pictures by (split, image) and encoding."""
    wanted = [
        (sample, answer.encoding, answer.rebuilt.scene)
        for sample in samples
        for answer in sample.answers
        if answer.rebuilt.scene is not None
    ]
    pictures = render([scene for *_, scene in wanted]) if wanted else []
    drawn: dict[tuple[str, str], dict[str, Image]] = {
        (sample.split, sample.image): {} for sample in samples
    }
    for (sample, encoding, _), picture in zip(wanted, pictures, strict=True):
        drawn[sample.split, sample.image][encoding] = picture
    return drawn


def make_figures(results: Results, raw: RawImages) -> list[Figure]:
    """The figures that the domain's results allow."""
    return [
        *(_scatter(results, raw) if isinstance(results.config, DotsConfig) else []),
        *_bars(results),
        *_angles(results, raw),
        *_curves(results),
    ]


def _scatter(results: Results, raw: RawImages) -> list[Figure]:
    """Figure 5: all answers of the split that covers the whole image."""
    split = results.splits[-1]
    syntax = results.syntax
    records = {e: p[split] for e, p in results.predictions.items() if p.get(split)}
    if not records or not isinstance(results.config, DotsConfig):
        return []
    preds = {e: dot_positions(predicted_scenes(r, syntax)) for e, r in records.items()}
    target = {
        encoding: dot_positions(scenes_of(rows, raw.scenes(split)))
        for encoding, rows in records.items()
    }
    in_cell = partial(in_training_cells, results.config)
    png = figures.scatter(preds, target, in_cell)
    caption = (
        f"Every dot is one image of {split}; training saw the shaded squares only. "
        "Right answers look like the left panel. Where an encoding only repeats "
        "what it saw, the held-out dots move into the shaded squares and the white "
        "ones empty."
    )
    return [Figure("scatter", png, "Where the dots are said to be", caption)]


def _bars(results: Results) -> list[Figure]:
    words = [name for name in results.syntax.attributes if name in WORD_ATTRIBUTES]
    if any(
        "category" in m for splits in results.metrics.values() for m in splits.values()
    ):
        words.append("category")
    png = figures.attribute_bars(results.domain, results.metrics, results.splits, words)
    if png is None:
        return []
    caption = (
        f"Percent of matched objects with the right word. {_DROPS[results.domain]}Dark "
        "lines: the paper's figures, at its scale."
    )
    return [Figure("attributes", png, "Attributes", caption)]


# what a difference between the panels of `_bars` shows
_DROPS: Mapping[str, str] = {
    "clevr": "A drop from the left to the right panel is what unseen pairs of shape "
    "and color cost. ",
    "6dof": "",
    "shapenet": "A drop from the first panel to another is what the unseen textures, "
    "shapes or cameras of that split cost. ",
}


def _angles(results: Results, raw: RawImages) -> list[Figure]:
    """How the errors of the orientations are spread."""
    errors = {
        split: {
            encoding: _errors_deg(splits[split], raw.scenes(split), reading)
            for encoding, reading in results.readings.items()
            if (splits := results.predictions.get(encoding, {})).get(split)
        }
        for split in results.splits
        if results.syntax.rotation_rep != "yaw"
    }
    png = figures.error_shares(errors, METRICS["geodesic"].title)
    if png is None:
        return []
    caption = (
        "Share of matched objects whose orientation errs by less than so many degrees: "
        "the steeper at the left, the better. A rise at the right end is objects taken "
        "for turned round."
    )
    return [Figure("orientations", png, "Errors of the orientations", caption)]


def _errors_deg(
    records: Records, scenes: Sequence[Scene], reading: Reading
) -> figures.FloatArray:
    preds = predicted_scenes(records, reading.syntax)
    target = scenes_of(records, scenes)
    matches = match_scenes(preds, target)
    angles = pair_angles_deg(matches, preds, target, reading.symmetries)
    return angles[np.isfinite(angles)]


def _curves(results: Results) -> list[Figure]:
    unit = METRICS[main_error(results.syntax)].title
    plots = (
        (
            "validation",
            figures.validation_curves(results.histories, results.splits, unit),
            "Error on held-out images while training",
            "Lower is better, on a logarithmic scale, measured on a fixed few of the "
            "held-out images. A curve that flattens early has learned what it can.",
        ),
        (
            "losses",
            figures.loss_curves(results.histories),
            "Training losses",
            "Means between two records, on a logarithmic scale. The cross-entropies do "
            "not compare: char spells each number in several tokens, float in one.",
        ),
    )
    return [
        Figure(name, png, title, caption)
        for name, png, title, caption in plots
        if png is not None
    ]
