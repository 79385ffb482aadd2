"""The pipeline `clevr.nsvqa` from pictures to metrics, at the smallest scale."""

import math

from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset

from igllm_pipelines.datasets.folder import FolderDataset
from igllm_pipelines.datasets.parser import ParserDataset
from igllm_pipelines.pipeline_registry import nsvqa_pipeline
from tests.baselines.ns_vqa.small import CONFIG, SYNTAX, Painted


def test_nsvqa_is_trained_asked_and_scored(tmp_path):
    parser = ParserDataset(filepath=str(tmp_path / "parser"))
    folder = FolderDataset(filepath=str(tmp_path / "checkpoints"))
    predictions = JSONDataset(filepath=str(tmp_path / "predictions.json"))
    kept = ("history", "metrics", "intervals")
    values = {
        "clevr.raw": Painted(count=2),
        "clevr.syntax": SYNTAX,
        "params:domains.clevr": "clevr",
        "params:encodings.char": "char",
        "params:nsvqa.clevr": CONFIG,
        "params:scenes.clevr": {},
        "params:seed": 7,
    }
    catalog = DataCatalog(
        {
            "clevr.nsvqa.parser": parser,
            "clevr.nsvqa.predictions": predictions,
            "clevr.nsvqa.checkpoints": folder,
            **{f"clevr.nsvqa.{name}": MemoryDataset() for name in kept},
            **{name: MemoryDataset(value, "assign") for name, value in values.items()},
        }
    )
    SequentialRunner().run(nsvqa_pipeline("clevr"), catalog)
    metrics = catalog.load("clevr.nsvqa.metrics")
    assert set(metrics) == {"val_ID", "val_OOD"}
    for values in metrics.values():
        assert values["parse_rate"] == 100
        assert math.isfinite(values["count"])
        assert values["images"] == 2
    assert parser.exists()
    records = predictions.load()["val_OOD"]
    assert [record["image"] for record in records] == ["val_OOD_0.png", "val_OOD_1.png"]
