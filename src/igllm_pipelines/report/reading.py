"""Predictions, and how the programs in them are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from igllm_pipelines.domains import encoding_syntax
from igllm_pipelines.domains.sources import SceneConfig, symmetries
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


def readings_of(
    config: SceneConfig, syntax: ProgramSyntax, encodings: Mapping[str, str]
) -> dict[str, Reading]:
    """How the programs of each encoding are read.

    Args:
        config: of the domain's scenes.
        syntax: of the domain's programs.
        encodings: what each one writes, see `domains.parse_encoding`.
    """
    known = symmetries(config)
    return {
        name: Reading(encoding_syntax(syntax, encoding), config.finish, known)
        for name, encoding in encodings.items()
    }
