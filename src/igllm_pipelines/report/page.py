"""The HTML page of a domain: tables, figures, samples; no script, no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.report.samples import Sample
from igllm_pipelines.report.tables import METRICS, MetricsTable

Image = NDArray[np.uint8]


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


@dataclass(frozen=True)
class SampleImages:
    """What went in, and what the program of each encoding renders to."""

    image: Image
    reconstructions: Mapping[str, Image] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """The samples of a split."""

    title: str
    samples: Sequence[tuple[Sample, SampleImages]]


def make_page(
    domain: str,
    table: MetricsTable,
    notes: Sequence[str],
    figures: Sequence[Figure],
    sections: Sequence[Section],
) -> dict[str, bytes]:
    """The files of the page by their relative paths, ``index.html`` first.

    Args:
        domain: its name.
        table: of the metrics.
        notes: sentences under the title; the first stands out.
        figures: under the table, in order.
        sections: one a split.
    """
    files = {f"figures/{figure.name}.png": figure.png for figure in figures}
    for section in sections:
        for sample, images in section.samples:
            for name, image in _images(images).items():
                files[image_path(sample, name)] = png_bytes(image)
    html = _render(
        domain=domain,
        table=table,
        metrics=METRICS,
        notes=notes,
        figures=figures,
        sections=sections,
        image_path=image_path,
    )
    return {"index.html": html.encode("utf-8"), **files}


def _images(images: SampleImages) -> dict[str, Image]:
    return {"input": images.image, **images.reconstructions}


def image_path(sample: Sample, name: str) -> str:
    """Where a sample's picture lies beside the page."""
    stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in sample.image)
    return f"images/{sample.split}/{stem}-{name}.png"


def png_bytes(image: Image) -> bytes:
    """An image ``(height, width, 3)`` as a PNG file."""
    from PIL import Image as PillowImage

    buffer = BytesIO()
    PillowImage.fromarray(np.ascontiguousarray(image)).save(buffer, format="PNG")
    return buffer.getvalue()


def _render(**context: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("igllm_pipelines.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(**context)
