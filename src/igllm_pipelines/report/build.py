"""Puts a domain's report together from metrics, histories and predictions."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from igllm_pipelines.report import formats
from igllm_pipelines.report.domain_figures import Errors, make_figures, measure
from igllm_pipelines.report.likeness import FILE, picture_scores
from igllm_pipelines.report.page import Page, SampleImages, Section, make_page
from igllm_pipelines.report.results import Image, RawImages, Results
from igllm_pipelines.report.samples import Sample, make_samples
from igllm_pipelines.report.tables import (
    MetricsTable,
    comparison_table,
    metrics_table,
    split_title,
)
from igllm_pipelines.report.terminal import summary_text
from igllm_pipelines.scene import Scene

Render = Callable[[Sequence[Scene]], Sequence[Image]]


def make_report(
    results: Results, raw: RawImages, render: Render, samples: int
) -> dict[str, bytes]:
    """The files of the domain's page, ``index.html`` first, and its tables.

    Args:
        results: of all encodings.
        raw: the true scenes and their images.
        render: makes the pictures of scenes, in their order.
        samples: rows of input, programs and reconstructions for each split.
    """
    errors = measure(results, raw)
    sections = make_sections(results, raw, render, errors, samples)
    scenes = {
        split: {scene.image_filename: scene for scene in raw.scenes(split)}
        for split in results.splits
    }
    pictures = picture_scores(sections, scenes)
    results = replace(results, pictures=pictures)
    table = table_of(results)
    page = Page(
        results.domain,
        table,
        comparison_table(results.domain, results.comparison, results.splits),
        results.findings(),
        results.scale(),
        results.origin,
        make_figures(results, raw, errors),
        sections,
    )
    scores = json.dumps(pictures, indent=1, sort_keys=True) + "\n"
    return {
        **make_page(page),
        **table_files(results, table),
        FILE: scores.encode("utf-8"),
    }


def table_of(results: Results) -> MetricsTable:
    """The table of the domain, beside the paper's."""
    return metrics_table(
        results.domain, results.shown, results.splits, results.measured
    )


def rows_of(results: Results) -> list[dict[str, Any]]:
    """Every number of the table as a row, with interval, scale and revisions."""
    origin = {
        "scale": results.scale(),
        "revision": results.revision,
        "data_revision": results.data_revision,
    }
    return formats.result_rows(
        results.domain, results.shown, results.measured, results.splits, origin
    )


def table_files(results: Results, table: MetricsTable) -> dict[str, bytes]:
    """The table as Markdown, LaTeX and CSV."""
    domain = results.domain
    text = formats.caption(domain, table, results.scale(), results.origin)
    contents = {
        "md": formats.markdown(table, text),
        "tex": formats.latex(table, text, domain),
        "csv": formats.csv_text(rows_of(results)),
    }
    return {f"tables/{domain}.{e}": c.encode("utf-8") for e, c in contents.items()}


def summary(results: Results, paths: Mapping[str, str]) -> str:
    """The text at the end of a run."""
    return summary_text(
        results.domain,
        results.shown,
        results.splits,
        results.notes(),
        paths,
        intervals=results.measured,
    )


def make_sections(
    results: Results, raw: RawImages, render: Render, errors: Errors, count: int
) -> list[Section]:
    """Sample rows of every test split; all pictures are rendered in one call."""
    samples = {
        split: make_samples(
            split,
            raw.scenes(split),
            results,
            _image_errors(errors[split]),
            count,
        )
        for split in results.splits
    }
    drawn = _render_all([s for rows in samples.values() for s in rows], render)
    return [
        Section(
            title=f"Samples of {split_title(results.domain, split)}",
            images=len(_image_errors(errors[split])),
            samples=[
                (s, SampleImages(raw.image(split, s.image), drawn[split, s.image]))
                for s in rows
            ],
        )
        for split, rows in samples.items()
        if rows
    ]


def _image_errors(errors: Mapping[str, Any]) -> dict[str, float]:
    """The error of each image, the mean over the encodings that answered it."""
    found: dict[str, list[float]] = {}
    for pairs in errors.values():
        for scene, error in zip(pairs.target, pairs.scene_means(), strict=True):
            found.setdefault(scene.image_filename, []).append(float(error))
    return {image: float(np.mean(values)) for image, values in found.items()}


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
