"""Evaluation and reporting as Kedro runs them, on a folder of dots."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset

from igllm_pipelines.datasets.files import FilesDataset
from igllm_pipelines.datasets.raw import RawDataset
from igllm_pipelines.domains import DOMAINS, program_syntax
from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.pipelines import evaluation, reporting
from igllm_pipelines.pipelines.rendering.nodes import plan_rendering
from igllm_pipelines.report.revision import dvc_revision, git_revision
from igllm_pipelines.scene import write_program
from tests.shards.official_trees import write_download

INTERVALS = {
    "random": {"mse": {"value": 2e-5, "low": 1e-5, "high": 3e-5, "samples": 5}}
}
COMPARISON = {
    "random": {"mse": {"difference": 1e-6, "low": -1e-6, "high": 2e-6, "samples": 5}}
}
SCENES = {"num_scenes": {"train": 8, "val_ID": 3, "random": 5}}


@pytest.fixture
def raw(tmp_path: Path) -> Any:
    dataset = RawDataset(filepath=str(tmp_path / "raw"))
    dataset.save(plan_rendering("2d", SCENES, {}, {}, 7))
    return dataset.load()


def catalog_of(raw: Any, **datasets: Any) -> DataCatalog:
    values = {
        "params:domain": "2d",
        "params:scenes": SCENES,
        "params:model": ModelConfig(),
        "params:rendering": {},
        "params:ray": {"address": None},
        "params:reporting": {"samples_per_split": 1},
        "params:encoding": "float",
        "params:encodings": {"char": "char", "float": "float"},
        "syntax": DOMAINS["2d"].syntax,
        "comparison": {},
        **datasets,
    }
    memory = {name: MemoryDataset(value) for name, value in values.items()}
    return DataCatalog({**memory, "raw": MemoryDataset(raw, copy_mode="assign")})


def predictions_of(raw: Any, shift: float) -> dict[str, list[dict[str, str]]]:
    def program(scene: Any) -> str:
        x, y, _ = scene.locations()[0]
        return f"add(x={x + shift:.3f}, y={y:.3f})\n"

    return {
        split: [
            {"image": scene.image_filename, "program": program(scene)}
            for scene in raw.scenes(split)
        ]
        for split in ("val_ID", "random")
    }


def run(pipeline: Pipeline, catalog: DataCatalog) -> None:
    SequentialRunner().run(pipeline, catalog)


def test_evaluation_scores_every_predicted_split(raw: Any) -> None:
    catalog = catalog_of(raw, predictions=predictions_of(raw, 0.002))
    catalog["metrics"] = MemoryDataset()
    run(evaluation.create_pipeline(), catalog)
    metrics = catalog.load("metrics")
    assert set(metrics) == {"val_ID", "random"}
    assert metrics["val_ID"]["mse"] == pytest.approx(2e-6, rel=0.5)
    assert metrics["random"]["images"] == 5
    assert metrics["random"]["parse_rate"] == 100


def test_reporting_writes_metrics_page_and_summary(raw: Any, tmp_path: Path) -> None:
    metrics = {"val_ID": {"mse": 1e-5}, "random": {"mse": 2e-5, "snap": 0.0}}
    history = [{"step": 10, "loss": 1.0, "ce": 1.0}, {"step": 10, "random_error": 0.1}]
    of_encodings = {
        f"{name}_{encoding}": value
        for encoding, shift in (("char", 0.1), ("float", 0.0))
        for name, value in (
            ("metrics", metrics),
            ("intervals", INTERVALS),
            ("history", history),
            ("predictions", predictions_of(raw, shift)),
        )
    }
    catalog = catalog_of(raw, **of_encodings, comparison=COMPARISON)
    catalog["metrics"] = JSONDataset(filepath=str(tmp_path / "metrics.json"))
    catalog["results"] = JSONDataset(filepath=str(tmp_path / "results.json"))
    catalog["summary"] = MemoryDataset()
    catalog["report"] = FilesDataset(filepath=str(tmp_path / "2d" / "report"))
    kept = (f for f in raw.root.rglob("*.*") if f.parent.name != ".index")
    size = sum(f.stat().st_size for f in kept if f.is_file())
    out = {"path": "raw", "md5": "0123abcdef.dir", "size": size}
    lock = {"schema": "2.0", "stages": {"data@2d": {"outs": [out]}}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock))
    run(reporting.create_pipeline(), catalog)
    assert catalog.load("metrics") == {"char": metrics, "float": metrics}
    page = tmp_path / "2d" / "report" / "index.html"
    assert "add(x=" in page.read_text()
    # an input, two reconstructions and their differences, of either split
    assert len(list(page.parent.glob("images/*/*.png"))) == 10
    assert "1.0e-5 to 3.0e-5" in page.read_text()
    rows = catalog.load("results")
    drawn = ("gallery_psnr", "gallery_ssim", "gallery_iou")
    assert {(row["split"], row["metric"], row["encoding"]) for row in rows} == {
        (split, metric, encoding)
        for split, of_metrics in metrics.items()
        for metric in (*of_metrics, *drawn)
        for encoding in ("char", "float")
    }
    iou = {
        row["encoding"]: (row["value"], row["images"], row["low"])
        for row in rows
        if (row["split"], row["metric"]) == ("random", "gallery_iou")
    }
    # a dot that is a tenth of the image off is somewhere else
    assert iou["char"] == (0, 1, None)
    assert iou["float"][0] > 50
    assert {row["revision"] for row in rows} == {git_revision()}
    assert {row["data_revision"] for row in rows} == {"0123abcd"}
    assert f"{git_revision()}, data 0123abcd" in page.read_text()
    (raw.root / "more").write_text("not in the lock")
    assert dvc_revision(raw.root) is None
    assert {row["high"] for row in rows} == {None, 3e-5}
    summary = catalog.load("summary")
    assert "squared error" in summary
    assert "no difference between char and float is more than chance" in " ".join(
        summary.split()
    )
    assert f"page: {page}" in summary


@pytest.mark.parametrize("domain", ["clevr", "so3", "6dof", "shapenet"])
def test_reports_on_official_pictures_draw_nothing_again(
    domain: str, tmp_path: Path
) -> None:
    scenes = {"source": "official", "root": str(write_download(tmp_path / "official"))}
    dataset = RawDataset(filepath=str(tmp_path / "raw"))
    dataset.save(plan_rendering(domain, scenes, {}, {}, 7))
    raw = dataset.load()
    syntax = program_syntax(domain, raw.scenes("train"))
    records = {
        split: [
            {"image": scene.image_filename, "program": write_program(scene, syntax)}
            for scene in raw.scenes(split)
        ]
        for split in raw.splits()
        if split != "train"
    }
    of_encodings = {
        f"{name}_{encoding}": value
        for encoding in ("char", "float")
        for name, value in (
            ("metrics", {split: {"l2": 0.5, "images": 3} for split in records}),
            ("intervals", {}),
            ("history", [{"step": 10, "loss": 1.0}]),
            ("predictions", records),
        )
    }
    given = {
        "params:domain": domain,
        "params:scenes": scenes,
        "params:model": ModelConfig(pretrained="lmsys/vicuna-7b-v1.3"),
        "syntax": syntax,
    }
    catalog = catalog_of(raw, **of_encodings, **given)
    catalog["metrics"] = JSONDataset(filepath=str(tmp_path / "metrics.json"))
    catalog["summary"] = MemoryDataset()
    catalog["report"] = FilesDataset(filepath=str(tmp_path / domain / "report"))
    run(reporting.create_pipeline(), catalog)
    page = (tmp_path / domain / "report" / "index.html").read_text()
    assert "not drawn again" in page
    assert "1 dot" not in page
    summary = " ".join(catalog.load("summary").split())
    assert "vicuna-7b-v1.3, tuned on the official images for 10 steps" in summary
