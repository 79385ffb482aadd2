"""Nodes that put char and float side by side.

Datasets of an encoding come with its name as a suffix, ``metrics_char``; they reach the
nodes as keyword arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from igllm_pipelines.domains import encoding_syntax
from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.scene import ProgramSyntax


@dataclass(frozen=True)
class ReportingConfig:
    """What the page shows.

    Attributes:
        samples_per_split: rows of input, programs and reconstructions.
    """

    samples_per_split: int = 8

    def __post_init__(self) -> None:
        if self.samples_per_split < 0:
            raise ValueError("samples_per_split must not be negative")


def collect_metrics(**of_encodings: dict[str, Any]) -> dict[str, Any]:
    """All metrics of a domain: ``{encoding: {split: {metric: number}}}``."""
    return _of("metrics", of_encodings)


def make_report(
    *,
    domain: str,
    encodings: dict[str, str],
    scenes: dict[str, Any],
    model: ModelConfig,
    rendering: dict[str, Any],
    ray: dict[str, Any],
    reporting: dict[str, Any],
    raw: Any,
    syntax: ProgramSyntax,
    metrics: dict[str, Any],
    **of_encodings: Any,
) -> dict[str, bytes]:
    """The files of the domain's page, predicted scenes rendered again."""
    from igllm_pipelines.domains.sources import scene_config
    from igllm_pipelines.render.config import rendering_config
    from igllm_pipelines.render.job import render_pictures
    from igllm_pipelines.report import build

    config = scene_config(domain, scenes)
    results = build.Results(
        domain,
        config,
        metrics,
        _of("history", of_encodings),
        _of("predictions", of_encodings),
        _readings(config, syntax, {name: encodings[name] for name in metrics}),
        model.pretrained,
    )
    render = partial(
        render_pictures, source=config, rendering=rendering_config(rendering, ray)
    )
    samples = ReportingConfig(**reporting).samples_per_split
    return build.make_report(results, raw, render, samples)


def summarize(
    domain: str,
    scenes: dict[str, Any],
    model: ModelConfig,
    metrics: dict[str, Any],
    report: Path,
    **of_encodings: Any,
) -> str:
    """The table for the terminal and where the page lies."""
    from igllm_pipelines.domains.sources import scene_config
    from igllm_pipelines.report import build

    config = scene_config(domain, scenes)
    histories = _of("history", of_encodings)
    results = build.Results(
        domain, config, metrics, histories, {}, {}, model.pretrained
    )
    paths = {
        "page": f"{report}/index.html",
        "metrics and curves": str(Path(report).parent),
    }
    return build.summary(results, paths)


def _readings(
    config: Any, syntax: ProgramSyntax, encodings: Mapping[str, str]
) -> dict[str, Any]:
    from igllm_pipelines.domains.sources import symmetries
    from igllm_pipelines.report.samples import Reading

    known = symmetries(config)
    return {
        name: Reading(encoding_syntax(syntax, encoding), config.finish, known)
        for name, encoding in encodings.items()
    }


def _of(name: str, datasets: Mapping[str, Any]) -> dict[str, Any]:
    """The datasets ``<name>_<encoding>`` by encoding."""
    start = f"{name}_"
    return {
        key.removeprefix(start): value
        for key, value in datasets.items()
        if key.startswith(start)
    }
