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
from igllm_pipelines.report.build import make_report
from igllm_pipelines.report.figures import (
    attribute_bars,
    error_shares,
    loss_curves,
    scatter,
)
from igllm_pipelines.report.page import difference
from igllm_pipelines.report.program_diff import diff
from igllm_pipelines.report.reading import Reading
from igllm_pipelines.report.results import Results
from igllm_pipelines.report.samples import choose_cases, make_samples
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
        named = [v or "" for k, v in attrs if k in ("src", "href")]
        self.addresses += [name for name in named if not name.startswith("data:")]


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


FIGURES = {
    "2d": {"scatter", "positions"},
    "clevr": {"attributes", "positions", "counts", "sizes"},
    "so3": {"orientations", "positions"},
    "6dof": {"orientations", "attributes", "positions"},
    "shapenet": {"orientations", "attributes", "positions", "counts"},
}


@pytest.mark.parametrize("domain", sorted(DOMAINS))
def test_page_holds_all_it_links_to_and_nothing_else(domain: str) -> None:
    results, raw = results_of(domain)
    files = make_report(results, raw, gray, samples=2)
    html, links = parsed(files)
    assert set(links.addresses) == set(files) - {"index.html"}
    assert {f"tables/{domain}.{ending}" for ending in ("md", "tex", "csv")} < set(files)
    figures = {name for name in files if name.startswith("figures/")}
    both = {*FIGURES[domain], "validation", "losses"}
    assert figures == {f"figures/{name}.png" for name in both}
    assert "script" not in links.tags
    assert "http" not in html
    # of each split 2 samples: an input and two reconstructions
    pictures = [name for name in files if name.startswith("images/")]
    assert len(pictures) == 6 * len(results.splits)
    with Image.open(BytesIO(files[pictures[0]])) as image:
        assert image.size in {(8, 8), (raw.image("", "").shape[1],) * 2}


def test_unparsable_program_is_escaped_and_has_no_picture() -> None:
    results, raw = results_of("clevr", spoil="<script>alert('x')</script>")
    files = make_report(results, raw, gray, samples=2)
    html, links = parsed(files)
    assert "script" not in links.tags
    assert "&lt;script&gt;alert" in html
    assert "no picture" in html
    assert "the answer does not parse" in html
    # two samples of either split, one of them without a picture
    assert sum("-char.png" in name for name in files) == 3


def test_report_without_histories_and_predictions_still_shows_the_table() -> None:
    results, raw = results_of("2d")
    bare = replace(results, histories={}, predictions={"char": {}, "float": {}})
    files = make_report(bare, raw, gray, samples=2)
    assert {name.partition("/")[0] for name in files} == {"index.html", "tables"}
    assert "squared error" in files["index.html"].decode()


def test_same_results_give_the_same_files() -> None:
    results, raw = results_of("2d")
    first, second = (make_report(results, raw, gray, samples=1) for _ in range(2))
    assert first == second


def test_dots_are_drawn_again_where_they_were_predicted() -> None:
    results, raw = results_of("2d", spoil="add(x=0.250, y=0.750)\n")

    def render(scenes: Any) -> list[np.ndarray]:
        return render_pictures(scenes, DOTS, RenderingConfig())

    files = make_report(results, raw, render, samples=2)
    stem = raw.scenes("val_ID")[0].image_filename.replace(".", "-")
    name = f"images/val_ID/{stem}-char.png"
    with Image.open(BytesIO(files[name])) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=float)
    y, x = np.argwhere(pixels[..., 1] < 128).mean(axis=0) / DOTS.width_px
    assert (x, y) == pytest.approx((0.25, 0.75), abs=0.01)


def errors_of(raw: Raw, split: str) -> dict[str, float]:
    return {s.image_filename: float(i) for i, s in enumerate(raw.scenes(split))}


def test_samples_need_an_answer_of_every_encoding() -> None:
    results, raw = results_of("clevr")
    predictions = {
        "char": {"val_ID": results.predictions["char"]["val_ID"][1:]},
        "float": results.predictions["float"],
    }
    results = replace(results, predictions=predictions)
    scenes = raw.scenes("val_ID")
    samples = make_samples("val_ID", scenes, results, errors_of(raw, "val_ID"), count=2)
    found = [(sample.case, sample.image) for sample in samples]
    first, last = (scenes[i].image_filename for i in (1, -1))
    assert found == [("best", first), ("worst", last)]
    assert [a.encoding for a in samples[0].answers] == ["char", "float"]


@pytest.mark.parametrize("images", [0, 1, 5, 50])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 100])
def test_cases_are_different_images_in_order(images: int, count: int) -> None:
    errors = np.random.default_rng(0).permutation(images).astype(float).tolist()
    chosen = choose_cases(errors, count)
    indices = [i for of_case in chosen.values() for i in of_case]
    assert len(indices) == len({*indices}) == min(images, count)
    found = {case: [errors[i] for i in of] for case, of in chosen.items()}
    assert found["best"] == list(range(len(found["best"])))
    assert found["worst"] == [images - 1 - i for i in range(len(found["worst"]))]
    if count == 8 and images == 50:
        assert found["median"] == [24, 25]


def test_an_answer_that_does_not_parse_is_the_worst_case() -> None:
    results, raw = results_of("clevr", spoil="add(")
    files = make_report(results, raw, gray, samples=3)
    html = files["index.html"].decode()
    worst = html.partition("Worst cases")[2]
    assert raw.scenes("val_ID")[0].image_filename in worst
    assert "the answer does not parse" in worst
    assert "does not parse" not in html.partition("Best cases")[2].partition("Worst")[0]


def test_difference_is_dark_where_pictures_differ() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 5, 4, 3)).astype(np.uint8)
    shown = difference(a, b)
    expected = 255 - abs(a.astype(int) - b.astype(int)).max(axis=-1, keepdims=True)
    np.testing.assert_array_equal(shown, np.broadcast_to(expected, shown.shape))


def test_wrong_words_and_far_places_are_marked_and_synonyms_are_not() -> None:
    scene = CLEVR.draw(7, "val_ID", 0, 0).left_to_right()
    first, *others = scene.objects
    x, y, z = first.location or (0.0, 0.0, 0.0)
    near = replace(first, location=(x + 0.2, y, z))
    far = replace(others[0], location=tuple(np.add(others[0].location, (0.3, 0, 0))))
    said = replace(scene, objects=(near, far, *others[1:]))
    lines = write_program(said, SYNTAX).splitlines()
    wrong = "red" if first.color != "red" else "blue"
    synonym = {"large": "big", "small": "tiny"}[str(first.size)]
    lines[0] = lines[0].replace(f"'{first.color}'", f"'{wrong}'")
    lines[0] = lines[0].replace(f"'{first.size}'", f"'{synonym}'")
    program = "\n".join(lines)
    marked = diff(program, parse_program(program, SYNTAX), scene, SYNTAX)
    spans = [(text, kind) for line in marked for text, kind in line.spans if kind]
    assert spans[:2] == [(f"'{wrong}'", "wrong"), (f"'{first.color}'", "true")]
    assert [kind for _, kind in spans[2:]] == ["wrong", "true"]
    true = spans[3][0].strip("()").split(", ")
    assert [float(v) for v in true] == pytest.approx(others[0].location, abs=5e-4)
    said_lines = [
        "".join(t for t, kind in line.spans if kind != "true") for line in marked
    ]
    assert said_lines == lines


def test_missed_and_invented_objects_are_lines_of_their_own() -> None:
    scene = CLEVR.draw(7, "val_ID", 0, 0).left_to_right()
    program = write_program(scene, SYNTAX)
    fewer = replace(scene, objects=scene.objects[1:])
    missed = diff(
        write_program(fewer, SYNTAX),
        parse_program(write_program(fewer, SYNTAX), SYNTAX),
        scene,
        SYNTAX,
    )
    assert [line.kind for line in missed] == [""] * len(fewer.objects) + ["missed"]
    assert missed[-1].spans == ((program.splitlines()[0], ""),)
    extra = diff(program, parse_program(program, SYNTAX), fewer, SYNTAX)
    assert [line.kind for line in extra].count("extra") == 1


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
    scenes = raw.scenes("val_ID")
    (sample,) = make_samples("val_ID", scenes, results, errors_of(raw, "val_ID"), 1)
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
