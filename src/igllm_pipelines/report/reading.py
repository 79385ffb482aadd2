"""Predictions, and how the programs in them are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from igllm_pipelines.report.reconstruction import Finish
from igllm_pipelines.scene import ProgramSyntax

Predictions = Mapping[str, Sequence[Mapping[str, Any]]]
"""``{split: records}``"""


@dataclass(frozen=True)
class Reading:
    """How an encoding's programs are read.

    Attributes:
        syntax: of the programs.
        finish: fills in what a predicted object does not say, see the domains'
            configurations; None where pictures cannot be rendered.
        symmetries: of shapes, see `igllm_pipelines.metrics.objects.geodesic`.
    """

    syntax: ProgramSyntax
    finish: Finish | None
    symmetries: Mapping[str, int] = field(default_factory=dict)
