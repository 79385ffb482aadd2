"""Nodes that put char, float and baselines side by side.

Datasets of an encoding come with its name as a suffix, ``metrics_char``; they reach the
nodes as keyword arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.scene import ProgramSyntax


@dataclass(frozen=True)
class ReportingConfig:
    """What the page shows.

    Attributes:
        samples_per_split: rows of input, programs and reconstructions: best, median
            and worst cases, about a third each.
    """

    samples_per_split: int = 9

    def __post_init__(self) -> None:
        if self.samples_per_split < 0:
            raise ValueError("samples_per_split must not be negative")


def collect_metrics(**of_encodings: dict[str, Any]) -> dict[str, Any]:
    """All metrics of a domain: ``{encoding: {split: {metric: number}}}``."""
    return _of("metrics", of_encodings)


def tabulate(
    *,
    domain: str,
    scenes: dict[str, Any],
    model: ModelConfig,
    metrics: dict[str, Any],
    raw: Any,
    report: Path,
    **of_encodings: Any,
) -> list[dict[str, Any]]:
    """Every number as a row, with its interval, the paper's, scale and revisions."""
    from igllm_pipelines.report import build
    from igllm_pipelines.report.likeness import read_scores

    results = _results(domain, scenes, model, metrics, of_encodings, raw=raw)
    return build.rows_of(replace(results, pictures=read_scores(Path(report))))


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
    comparison: dict[str, Any],
    **of_encodings: Any,
) -> dict[str, bytes]:
    """The files of the domain's page, predicted scenes rendered again."""
    from igllm_pipelines.domains.sources import scene_config
    from igllm_pipelines.render.config import rendering_config
    from igllm_pipelines.render.job import render_pictures
    from igllm_pipelines.report import build
    from igllm_pipelines.report.reading import readings_of

    results = _results(domain, scenes, model, metrics, of_encodings, raw=raw)
    config: Any = scene_config(domain, scenes)
    # a baseline writes programs as char does
    written = {name: encodings.get(name, "char") for name in metrics}
    results = replace(
        results,
        predictions=_of("predictions", of_encodings),
        readings=readings_of(config, syntax, written),
        comparison=comparison,
    )
    render = partial(
        render_pictures, source=config, rendering=rendering_config(rendering, ray)
    )
    samples = ReportingConfig(**reporting).samples_per_split
    return build.make_report(results, raw, render, samples)


def summarize(
    *,
    domain: str,
    scenes: dict[str, Any],
    model: ModelConfig,
    metrics: dict[str, Any],
    comparison: dict[str, Any],
    raw: Any,
    report: Path,
    **of_encodings: Any,
) -> str:
    """The table for the terminal and where the page lies."""
    from igllm_pipelines.report import build
    from igllm_pipelines.report.likeness import read_scores

    results = _results(domain, scenes, model, metrics, of_encodings, raw=raw)
    results = replace(results, pictures=read_scores(Path(report)))
    paths = {
        "page": f"{report}/index.html",
        "metrics, tables and curves": str(Path(report).parent),
    }
    return build.summary(replace(results, comparison=comparison), paths)


def _results(
    domain: str,
    scenes: dict[str, Any],
    model: ModelConfig,
    metrics: dict[str, Any],
    of_encodings: Mapping[str, Any],
    *,
    raw: Any,
) -> Any:
    """What the tables are made from."""
    from igllm_pipelines.domains.sources import scene_config
    from igllm_pipelines.report.results import Results
    from igllm_pipelines.report.revision import dvc_revision, git_revision

    return Results(
        domain,
        scene_config(domain, scenes),
        metrics,
        _of("history", of_encodings),
        pretrained=model.pretrained,
        intervals=_of("intervals", of_encodings),
        revision=git_revision(),
        data_revision=dvc_revision(raw.root),
    )


def _of(name: str, datasets: Mapping[str, Any]) -> dict[str, Any]:
    """The datasets ``<name>_<encoding>`` by encoding."""
    start = f"{name}_"
    return {
        key.removeprefix(start): value
        for key, value in datasets.items()
        if key.startswith(start)
    }
