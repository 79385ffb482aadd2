"""The whole page from small results; nothing is fetched, everything is escaped."""

from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from igllm_pipelines.datasets.files import FilesDataset
from igllm_pipelines.domains import DOMAINS, program_syntax
from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig
from igllm_pipelines.domains.sources import scene_config, symmetries
from igllm_pipelines.metrics.evaluate import evaluate_predictions
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.job import render_pictures
from igllm_pipelines.report.build import Results, make_report
from igllm_pipelines.report.figures import (
    attribute_bars,
    error_shares,
    loss_curves,
    scatter,
)
from igllm_pipelines.report.samples import Reading, make_samples, mark_wrong_words
from igllm_pipelines.scene import Scene, parse_program, write_program

DOTS, CLEVR = DotsConfig(), ClevrConfig()
SYNTAX = DOMAINS["clevr"].syntax
HISTORY = [
    {"step": 10, "loss": 2.0, "ce": 1.5, "number_mse": 0.5},
    {"step": 20, "loss": 1.0, "ce": 0.8, "number_mse": 0.2},
    {"step": 20, "val_ID_error": 0.1, "random_error": 0.3, "val_OOD_error": 0.2},
]


class Raw:
    """Drawn scenes with plain pictures."""

    def __init__(self, scenes: dict[str, list[Scene]], side: int) -> None:
        self._scenes = scenes
        self._side = side

    def scenes(self, split: str) -> list[Scene]:
        return self._scenes[split]

    def image(self, split: str, filename: str) -> np.ndarray:
        return np.full((self._side, self._side, 3), 200, dtype=np.uint8)


class Links(HTMLParser):
    """Collects every address and tag of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href")]


def results_of(domain: str, spoil: str = "") -> tuple[Results, Raw]:
    config = scene_config(domain, {})
    splits = DOMAINS[domain].splits[1:]
    scenes = {s: [config.draw(7, s, i, 0) for i in range(4)] for s in splits}
    syntax = program_syntax(domain, [s for rows in scenes.values() for s in rows])
    records = {
        split: [
            {"image": s.image_filename, "program": write_program(s, syntax)}
            for s in rows
        ]
        for split, rows in scenes.items()
    }
    spoiled = {split: [dict(r) for r in rows] for split, rows in records.items()}
    spoiled[splits[0]][0]["program"] = spoil or spoiled[splits[0]][0]["program"]
    predictions = {"char": spoiled, "float": records}
    metrics = {
        encoding: {
            split: evaluate_predictions(rows, scenes[split], syntax)
            for split, rows in of_splits.items()
        }
        for encoding, of_splits in predictions.items()
    }
    histories = {"char": HISTORY, "float": HISTORY}
    reading = Reading(syntax, config.finish, symmetries(config))
    readings = dict.fromkeys(predictions, reading)
    results = Results(domain, config, metrics, histories, predictions, readings)
    return results, Raw(scenes, config.width_px)


def gray(scenes: Any) -> list[np.ndarray]:
    return [np.full((8, 8, 3), 128, dtype=np.uint8) for _ in scenes]


def parsed(files: dict[str, bytes]) -> tuple[str, Links]:
    html = files["index.html"].decode()
    links = Links()
    links.feed(html)
    return html, links


@pytest.mark.parametrize("domain", sorted(DOMAINS))
def test_page_holds_all_it_links_to_and_nothing_else(domain: str) -> None:
    results, raw = results_of(domain)
    files = make_report(results, raw, gray, samples=2)
    html, links = parsed(files)
    assert set(links.addresses) == set(files) - {"index.html"}
    assert "script" not in links.tags
    assert "http" not in html
    # of each split 2 samples: an input and two reconstructions
    pictures = [name for name in files if name.startswith("images/")]
    assert len(pictures) == 6 * len(results.splits)
    with Image.open(BytesIO(files[pictures[0]])) as image:
        assert image.size in {(8, 8), (raw.image("", "").shape[1],) * 2}


def test_figures_of_each_domain() -> None:
    for domain, names in (
        ("2d", {"scatter", "validation", "losses"}),
        ("clevr", {"attributes", "validation", "losses"}),
        ("so3", {"orientations", "validation", "losses"}),
        ("6dof", {"attributes", "orientations", "validation", "losses"}),
        ("shapenet", {"attributes", "orientations", "validation", "losses"}),
    ):
        results, raw = results_of(domain)
        files = make_report(results, raw, gray, samples=0)
        assert {f"figures/{name}.png" for name in names} == set(files) - {"index.html"}


def test_unparsable_program_is_escaped_and_has_no_picture() -> None:
    results, raw = results_of("clevr", spoil="<script>alert('x')</script>")
    files = make_report(results, raw, gray, samples=1)
    html, links = parsed(files)
    assert "script" not in links.tags
    assert "&lt;script&gt;alert" in html
    assert "no picture" in html
    assert "the answer does not parse" in html
    assert sum("-char.png" in name for name in files) == 1


def test_report_without_histories_and_predictions_still_shows_the_table() -> None:
    results, raw = results_of("2d")
    bare = replace(results, histories={}, predictions={"char": {}, "float": {}})
    files = make_report(bare, raw, gray, samples=2)
    assert list(files) == ["index.html"]
    assert "squared error" in files["index.html"].decode()


def test_same_results_give_the_same_files() -> None:
    results, raw = results_of("2d")
    first, second = (make_report(results, raw, gray, samples=1) for _ in range(2))
    assert first == second


def test_dots_are_drawn_again_where_they_were_predicted() -> None:
    results, raw = results_of("2d", spoil="add(x=0.250, y=0.750)\n")

    def render(scenes: Any) -> list[np.ndarray]:
        return render_pictures(scenes, DOTS, RenderingConfig())

    files = make_report(results, raw, render, samples=1)
    name = next(n for n in files if n.startswith("images/val_ID") and "-char" in n)
    with Image.open(BytesIO(files[name])) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=float)
    y, x = np.argwhere(pixels[..., 1] < 128).mean(axis=0) / DOTS.width_px
    assert (x, y) == pytest.approx((0.25, 0.75), abs=0.01)


def test_samples_need_an_answer_of_every_encoding() -> None:
    results, raw = results_of("clevr")
    predictions = {
        "char": {"val_ID": results.predictions["char"]["val_ID"][1:]},
        "float": results.predictions["float"],
    }
    scenes = raw.scenes("val_ID")
    samples = make_samples("val_ID", scenes, predictions, results.readings, count=2)
    assert [s.image for s in samples] == [s.image_filename for s in scenes[1:3]]
    assert [a.encoding for a in samples[0].answers] == ["char", "float"]


def test_wrong_words_are_marked_and_synonyms_are_not() -> None:
    scene = CLEVR.draw(7, "val_ID", 0, 0).left_to_right()
    first = scene.objects[0]
    lines = write_program(scene, SYNTAX).splitlines()
    wrong = "red" if first.color != "red" else "blue"
    synonym = {"large": "big", "small": "tiny"}[str(first.size)]
    lines[0] = lines[0].replace(f"'{first.color}'", f"'{wrong}'")
    lines[0] = lines[0].replace(f"'{first.size}'", f"'{synonym}'")
    program = "\n".join(lines)
    pred = parse_program(program, SYNTAX)
    marked = mark_wrong_words(program, pred, scene, SYNTAX)
    assert [t for line in marked for t, bad in line if bad] == [f"'{wrong}'"]
    assert ["".join(t for t, _ in line) for line in marked] == lines


def test_figures_of_nothing_are_left_out() -> None:
    assert loss_curves({"char": []}) is None
    assert attribute_bars("clevr", {"char": {}}, ["val_ID"], ["size"]) is None


def test_panels_stand_two_in_a_row() -> None:
    errors = {"char": np.array([3.0, 90.0]), "float": np.array([1.0])}
    sizes = []
    for count in (1, 2, 4):
        png = error_shares({f"split {i}": errors for i in range(count)}, "degrees")
        with Image.open(BytesIO(png or b"")) as image:
            sizes.append(image.size)
    (width, height), *others = sizes
    assert others == [(2 * width, height), (2 * width, 2 * height)]
    assert error_shares({"val_ID": {"char": np.array([])}}, "degrees") is None


def test_remark_of_an_orientation_is_its_angle() -> None:
    program = "add(rotation=(1.000, 0.000, 0.000, 0.000, 1.000, 0.000))"
    results, raw = results_of("so3", spoil=program)
    scenes, readings = raw.scenes("val_ID"), results.readings
    (sample,) = make_samples("val_ID", scenes, results.predictions, readings, 1)
    (turn,) = (obj.rotation for obj in scenes[0].objects)
    degrees = 2 * np.degrees(np.arccos(turn[0]))
    remarks = [answer.remark for answer in sample.answers]
    assert remarks == [
        f"1 object, {degrees:.0f} degrees off",
        "1 object, 0 degrees off",
    ]


def test_scatter_takes_unanswered_images() -> None:
    truth = np.array([[0.1, 0.1], [0.3, 0.1]])
    pred = np.array([[0.1, 0.1], [np.nan, np.nan]])
    png = scatter({"char": pred}, {"char": truth}, lambda xy: xy[:, 0] < 0.25)
    with Image.open(BytesIO(png)) as image:
        assert image.width > image.height


def test_files_dataset_replaces_the_whole_folder(tmp_path: Path) -> None:
    dataset = FilesDataset(filepath=str(tmp_path / "report"))
    assert not dataset.exists()
    dataset.save({"index.html": b"old", "images/a.png": b"a"})
    dataset.save({"index.html": b"new"})
    assert dataset.load() == tmp_path / "report"
    assert [p.name for p in tmp_path.rglob("*")] == ["report", "index.html"]
    assert (tmp_path / "report/index.html").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/../../x"])
def test_files_dataset_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    dataset = FilesDataset(filepath=str(tmp_path / "report"))
    with pytest.raises(Exception, match="leaves its folder"):
        dataset.save({name: b""})
