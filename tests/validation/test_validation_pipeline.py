"""The validation pipeline on a rendered folder, whole and with faults in its files."""

import json
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset

from igllm_pipelines.datasets.files import FilesDataset
from igllm_pipelines.datasets.raw import RawDataset
from igllm_pipelines.pipelines.rendering.nodes import plan_rendering
from igllm_pipelines.pipelines.validation import create_pipeline
from igllm_pipelines.validation.report import ValidationFailed

MADE = ("validation", "data_docs", "data_card")
SCENES = {"num_scenes": {"train": 12, "val_ID": 3, "random": 3}}


@pytest.fixture
def dataset(tmp_path: Path) -> RawDataset:
    """A folder of dots, drawn and stored as ``kedro run`` does it."""
    dataset = RawDataset(filepath=str(tmp_path / "2d"))
    rendering = {"scenes_per_shard": 8}
    dataset.save(plan_rendering("2d", SCENES, rendering, {"address": None}, 7))
    return dataset


def run(raw: Any) -> dict[str, Any]:
    catalog = DataCatalog(
        {
            "raw": MemoryDataset(raw, copy_mode="assign"),
            "params:domain": MemoryDataset("2d"),
            "params:scenes": MemoryDataset(SCENES),
            "validation": JSONDataset(filepath=f"{raw.root}.json"),
            "data_docs": FilesDataset(filepath=f"{raw.root}_docs"),
            "data_card": MemoryDataset(),
        }
    )
    SequentialRunner().run(create_pipeline(), catalog)
    return {name: catalog.load(name) for name in MADE}


def edit(dataset: RawDataset, split: str, change: Any) -> None:
    """Changes the records of a label file."""
    path = dataset.load().root / "labels" / f"{split}.json"
    content = json.loads(path.read_text())
    change(content["scenes"])
    path.write_text(json.dumps(content))


def test_rendered_folder_is_valid(dataset: RawDataset) -> None:
    made = run(dataset.load())
    assert made["validation"]["valid"]
    assert made["data_card"]["valid"]
    counts = {s: c["scenes"] for s, c in made["data_card"]["splits"].items()}
    assert counts == SCENES["num_scenes"]
    assert (made["data_docs"] / "index.html").is_file()


def test_only_the_pages_know_the_time(dataset: RawDataset) -> None:
    first, second = (run(dataset.load()) for _ in range(2))
    assert first["validation"] == second["validation"]
    assert first["data_card"] == second["data_card"]


def test_nan_in_a_label_stops_the_line_and_is_named(dataset: RawDataset) -> None:
    def put_nan(scenes: Any) -> None:
        scenes[1]["objects"][0]["3d_coords"][0] = float("nan")

    edit(dataset, "val_ID", put_nan)
    with pytest.raises(
        ValidationFailed, match=r"dot_val_ID_000001\.png\), object 0: 3d_coords"
    ):
        run(dataset.load())


def test_duplicate_name_in_a_label_file_is_named(dataset: RawDataset) -> None:
    def repeat(scenes: Any) -> None:
        scenes[2]["image_filename"] = scenes[1]["image_filename"]

    edit(dataset, "val_ID", repeat)
    with pytest.raises(ValidationFailed, match=r"same image 'dot_val_ID_000001\.png'"):
        run(dataset.load())


def test_moved_dot_stops_the_line_and_is_named(dataset: RawDataset) -> None:
    def move(scenes: Any) -> None:
        scenes[2]["objects"][0]["3d_coords"] = [0.3, 0.1, 0.0]

    edit(dataset, "val_ID", move)
    with pytest.raises(ValidationFailed) as caught:
        run(dataset.load())
    pages = Path(f"{dataset.load().root}_docs", "validations").rglob("*.html")
    assert any("Failed" in page.read_text() for page in pages)
    text = str(caught.value)
    assert "val_ID, dot_val_ID_000002.png, object 0: in_training_cell=False" in text
    assert "within 1 px" in text
    assert str(dataset.load().root) in text


def test_label_without_image_is_named(dataset: RawDataset) -> None:
    def rename(scenes: Any) -> None:
        scenes[0]["image_filename"] = "other.png"

    edit(dataset, "random", rename)
    with pytest.raises(ValidationFailed) as caught:
        run(dataset.load())
    text = str(caught.value)
    assert "random, other.png: has_image=False" in text
    assert "random, dot_random_000000.png" in text


def test_missing_label_file_is_named(dataset: RawDataset) -> None:
    (dataset.load().root / "labels" / "random.json").unlink()
    with pytest.raises(ValidationFailed, match=r"random\.json: no such label file"):
        run(dataset.load())
