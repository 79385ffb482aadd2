"""The HTML page of a domain: tables, figures, samples; no script, no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import groupby
from typing import Any

import numpy as np

from igllm_pipelines.report.domain_figures import Figure
from igllm_pipelines.report.program_diff import FAR_M, FAR_SIDES
from igllm_pipelines.report.results import Image
from igllm_pipelines.report.samples import Sample
from igllm_pipelines.report.tables import METRICS, MetricsTable

CASES = {
    "best": "Best cases",
    "median": "Median cases",
    "worst": "Worst cases",
}


@dataclass(frozen=True)
class SampleImages:
    """What went in, and what the program of each encoding renders to."""

    image: Image
    reconstructions: Mapping[str, Image] = field(default_factory=dict)

    def files(self) -> dict[str, Image]:
        """All pictures by name, differences from the input among them."""
        differences = {
            f"{encoding}-difference": difference(self.image, picture)
            for encoding, picture in self.reconstructions.items()
            if picture.shape == self.image.shape
        }
        return {"input": self.image, **self.reconstructions, **differences}


@dataclass(frozen=True)
class Section:
    """The samples of a split.

    Attributes:
        title: above them.
        images: of the split, from which they are chosen.
        samples: by case, best ones first.
    """

    title: str
    images: int
    samples: Sequence[tuple[Sample, SampleImages]]

    @property
    def cases(self) -> list[tuple[str, list[tuple[Sample, SampleImages]]]]:
        """Neighbouring samples of one case under its title."""
        of_cases = groupby(self.samples, key=lambda row: row[0].case)
        return [(CASES[case], list(rows)) for case, rows in of_cases]


@dataclass(frozen=True)
class Page:
    """What a page shows.

    Attributes:
        domain: its name.
        table: of the metrics.
        comparison: char minus float, without rows where that is not known.
        findings: sentences, the most important ones first.
        scale: a sentence.
        revision: of the code.
        figures: under the tables, in order.
        sections: one a split.
    """

    domain: str
    table: MetricsTable
    comparison: MetricsTable
    findings: Sequence[str]
    scale: str
    revision: str
    figures: Sequence[Figure]
    sections: Sequence[Section]


def make_page(page: Page) -> dict[str, bytes]:
    """The files of the page by their relative paths, ``index.html`` first."""
    files = {f"figures/{figure.name}.png": figure.png for figure in page.figures}
    for section in page.sections:
        for sample, images in section.samples:
            for name, image in images.files().items():
                files[image_path(sample, name)] = png_bytes(image)
    html = render_template(
        "report.html.j2",
        page=page,
        metrics=METRICS,
        image_path=image_path,
        far=f"{FAR_SIDES} image sides" if page.domain == "2d" else f"{FAR_M} m",
    )
    return {"index.html": html.encode("utf-8"), **files}


def difference(image: Image, other: Image) -> Image:
    """Where two pictures differ: white where they are equal, black where most.

    The greatest absolute difference of the three channels of each pixel.

    >>> white, red = np.full((1, 1, 3), 255, np.uint8), np.uint8([[[255, 0, 0]]])
    >>> difference(white, red).tolist(), difference(red, red).tolist()
    ([[[0, 0, 0]]], [[[255, 255, 255]]])
    """
    off = np.abs(image.astype(np.int16) - other.astype(np.int16)).max(axis=2)
    return np.repeat((255 - off).astype(np.uint8)[..., None], 3, axis=2)


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


def render_template(template: str, **context: Any) -> str:
    """A template of this folder, everything in `context` escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("igllm_pipelines.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**context)
