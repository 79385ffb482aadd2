"""The page as a browser shows it, from a folder, without a server."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from igllm_pipelines.report.build import make_report
from igllm_pipelines.scene import write_program
from tests.apps.chromium import Visit, visit
from tests.report.test_page import Raw, gray, results_of

pytestmark = pytest.mark.slow
MANY = 1000


def same_size(scenes: list) -> list[np.ndarray]:
    return [np.full((112, 112, 3), 128, dtype=np.uint8) for _ in scenes]


@pytest.fixture(scope="module")
def clevr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of few samples; something does not parse."""
    results, raw = results_of("clevr", spoil="add(" + "x" * 300)
    known = {"difference": 0.2, "low": 0.1, "high": 0.3, "samples": 4}
    results = replace(results, comparison={"val_ID": {"l2": known}})
    return written(make_report(results, raw, gray, 3), tmp_path_factory.mktemp("page"))


def written(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "index.html"


def broken_pictures(seen: Visit) -> list[str]:
    """Pictures that are not there, all of them loaded."""
    return seen.page.evaluate(
        """async () => {
            const pictures = [...document.images];
            pictures.forEach(p => p.loading = "eager");
            await Promise.all(pictures.map(p => p.decode().catch(() => 0)));
            return pictures.filter(p => !p.naturalWidth).map(p => p.src);
        }"""
    )


@pytest.mark.parametrize("width", [1280, 400])
def test_page_fits_the_screen_and_asks_nobody(clevr: Path, width: int) -> None:
    with visit(clevr.as_uri(), width=width) as seen:
        assert broken_pictures(seen) == []
        inner = seen.page.evaluate("document.documentElement.scrollWidth")
        assert inner <= width
        assert seen.page.locator("figure figcaption").count() >= 5
        assert seen.errors == []
        assert seen.hosts == {""}  # files only


def test_program_and_picture_stand_below_each_other_on_a_phone(clevr: Path) -> None:
    lefts = {}
    for width in (1280, 400):
        with visit(clevr.as_uri(), width=width) as seen:
            boxes = [
                answer.bounding_box() or {}
                for answer in seen.page.locator("article")
                .first.locator(".answer")
                .all()
            ]
            lefts[width] = {round(box["x"]) for box in boxes}
    assert (len(lefts[1280]), len(lefts[400])) == (3, 1)


def test_a_thousand_samples_open_at_once(tmp_path: Path) -> None:
    results, raw = results_of("2d")
    split = results.splits[-1]
    scenes = [results.config.draw(7, split, i, 0) for i in range(MANY)]
    records = [
        {"image": s.image_filename, "program": write_program(s, results.syntax)}
        for s in scenes
    ]
    predictions = dict.fromkeys(("char", "float"), {split: records})
    results = replace(
        results,
        predictions=predictions,
        metrics={e: {split: m[split]} for e, m in results.metrics.items()},
    )
    page = written(
        make_report(results, Raw({split: scenes}, 112), same_size, MANY), tmp_path
    )
    seconds = []
    for _ in range(2):
        with visit(page.as_uri()) as seen:
            assert seen.page.locator("article").count() == MANY
            script = "performance.getEntriesByType('navigation')[0].loadEventEnd"
            seconds.append(seen.page.evaluate(script) / 1000)
    assert 0 < min(seconds) < 2
