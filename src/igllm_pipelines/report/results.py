"""What a report is made from: metrics, histories and predictions of a domain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.domains import DOMAINS, scored_splits
from igllm_pipelines.domains.official import OfficialConfig
from igllm_pipelines.domains.sources import SceneConfig
from igllm_pipelines.report.notes import (
    Scale,
    comparison_findings,
    findings,
    paper_findings,
    scale_note,
)
from igllm_pipelines.report.reading import Predictions, Reading
from igllm_pipelines.report.tables import F1, Comparison, Intervals, Metrics
from igllm_pipelines.scene import ProgramSyntax, Scene

Image = NDArray[np.uint8]
History = Sequence[Mapping[str, float]]
Pictures = Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]
"""``{encoding: {split: {metric: {value, samples}}}}``, see `likeness`."""


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
        intervals: ``{encoding: {split: {metric: {value, low, high, samples}}}}``.
        comparison: ``{split: {metric: {difference, low, high, samples}}}``, char minus
            float.
        revision: of the code.
        data_revision: of the images and labels, as DVC knows them; None without DVC.
        pictures: of the gallery, see `likeness`; empty before it is drawn.
    """

    domain: str
    config: SceneConfig
    metrics: Metrics
    histories: Mapping[str, History]
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    readings: Mapping[str, Reading] = field(default_factory=dict)
    pretrained: str | None = None
    intervals: Intervals = field(default_factory=dict)
    comparison: Comparison = field(default_factory=dict)
    revision: str = "unknown"
    data_revision: str | None = None
    pictures: Pictures = field(default_factory=dict)

    @property
    def syntax(self) -> ProgramSyntax:
        """Of the first encoding; the others write rotations in another way at most."""
        return next(iter(self.readings.values())).syntax

    @property
    def splits(self) -> tuple[str, ...]:
        """The test splits, in-distribution first."""
        scored = {split for metrics in self.metrics.values() for split in metrics}
        return scored_splits(self.domain, scored)

    @property
    def shown(self) -> Metrics:
        """The metrics; beside them F1 of objects and pictures where measured."""
        return {
            encoding: {
                split: self._with_f1(encoding, split)
                | self._of_gallery(encoding, split)
                for split in of_splits
            }
            for encoding, of_splits in self.metrics.items()
        }

    @property
    def measured(self) -> Intervals:
        """What `shown` says with intervals, if there are any, and samples."""
        return {
            encoding: {
                split: {
                    **self.intervals.get(encoding, {}).get(split, {}),
                    **self.pictures.get(encoding, {}).get(split, {}),
                }
                for split in of_splits
            }
            for encoding, of_splits in self.metrics.items()
        }

    @property
    def origin(self) -> str:
        """The revisions of code and data."""
        data = f", data {self.data_revision}" if self.data_revision else ""
        return f"{self.revision}{data}"

    def _of_gallery(self, encoding: str, split: str) -> dict[str, float]:
        known = self.pictures.get(encoding, {}).get(split, {})
        return {name: measured["value"] for name, measured in known.items()}

    def _with_f1(self, encoding: str, split: str) -> dict[str, float]:
        metrics = dict(self.metrics[encoding][split])
        known = self.intervals.get(encoding, {}).get(split, {}).get(F1, {})
        value = known.get("value")
        # its threshold is in metres: nothing in 2D
        return (
            {**metrics, F1: value} if value is not None and "l2" in metrics else metrics
        )

    def findings(self) -> list[str]:
        """What came out, in sentences."""
        return [
            *findings(self.domain, self.metrics, self.splits),
            *comparison_findings(self.comparison, self.splits),
            *paper_findings(self.domain, self.metrics, self.splits),
        ]

    def scale(self) -> str:
        """At which scale this was made, and which is the paper's."""
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
        return scale_note(self.domain, scale)

    def notes(self) -> list[str]:
        """What came out, and last at which scale."""
        return [*self.findings(), self.scale()]
