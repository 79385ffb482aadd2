"""Kedro datasets for raw folders, features and plain folders."""

import numpy as np
import pytest
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.runner import SequentialRunner

from igllm_pipelines.datasets.features import FeatureDataset
from igllm_pipelines.datasets.folder import FolderDataset
from igllm_pipelines.datasets.raw import RawDataset
from igllm_pipelines.pipelines import rendering
from igllm_pipelines.pipelines.rendering.nodes import plan_rendering
from tests.shards.official_trees import write_download
from tests.shards.samples import Job


def test_raw_dataset_drives_the_job(tmp_path):
    dataset = RawDataset(filepath=str(tmp_path / "raw"))
    assert not dataset.exists()
    dataset.save(Job({"train": 4}))
    assert dataset.exists()
    raw = dataset.load()
    assert len(raw.scenes("train")) == 4
    assert raw.image("train", "train_002.png")[0, 0, 0] == 2


def test_rendering_pipeline_plans_and_the_dataset_renders(tmp_path):
    catalog = DataCatalog(
        {
            "params:domain": MemoryDataset("2d"),
            "params:scenes": MemoryDataset({"num_scenes": {"train": 6, "random": 2}}),
            "params:rendering": MemoryDataset({"scenes_per_shard": 4}),
            "params:ray": MemoryDataset({"address": None}),
            "params:seed": MemoryDataset(7),
            "raw": RawDataset(filepath=str(tmp_path / "2d")),
        }
    )
    SequentialRunner().run(rendering.create_pipeline(), catalog)
    raw = catalog["raw"].load()
    assert [len(raw.scenes(split)) for split in raw.splits()] == [2, 6]
    assert raw.image("train", "dot_train_000005.png").shape == (112, 112, 3)


@pytest.mark.parametrize("where", ["scenes", "rendering"])
def test_unknown_parameter_is_named(where):
    parameters = {"scenes": {}, "rendering": {}, where: {"sampels": 8}}
    with pytest.raises(ValueError, match=rf"{where}.*sampels"):
        plan_rendering("clevr", **parameters, ray={}, seed=7)


def test_half_made_raw_folder_does_not_exist(tmp_path):
    dataset = RawDataset(filepath=str(tmp_path))
    with pytest.raises((KeyboardInterrupt, DatasetError)):
        dataset.save(Job({"train": 4}, stop_after=2))
    assert not dataset.exists()


def test_feature_dataset(tmp_path):
    dataset = FeatureDataset(filepath=str(tmp_path / "features"))
    assert not dataset.exists()
    batches = (np.full((1, 2, 3), value) for value in (1, 2))
    dataset.save({"train": (["a.png", "b.png"], batches)})
    assert dataset.exists()
    assert (dataset.load().batch("train", ["b.png"]) == 2).all()


def test_folder_dataset_makes_the_folder(tmp_path):
    dataset = FolderDataset(filepath=str(tmp_path / "x" / "checkpoints"))
    folder = dataset.load()
    assert folder.is_dir()
    assert dataset.load() == folder
    with pytest.raises(DatasetError, match="filled by the node"):
        dataset.save("anything")


def run_rendering(folder, domain, scenes):
    rendering_parameters = {"scenes_per_shard": 4}
    parameters = {"domain": domain, "scenes": scenes, "seed": 7}
    parameters |= {"rendering": rendering_parameters, "ray": {"address": None}}
    catalog = {f"params:{k}": MemoryDataset(v) for k, v in parameters.items()}
    raw = RawDataset(filepath=str(folder))
    SequentialRunner().run(
        rendering.create_pipeline(), DataCatalog({**catalog, "raw": raw})
    )
    return raw


def test_official_source_is_pointed_to(tmp_path):
    scenes = {"source": "official", "root": str(write_download(tmp_path / "download"))}
    dataset = run_rendering(tmp_path / "clevr", "clevr", scenes)
    assert dataset.exists()
    assert dataset.load().splits() == ["train", "val_ID", "val_OOD"]
    assert [p.name for p in (tmp_path / "clevr").iterdir()] == ["source.json"]


def test_official_dots_are_drawn(tmp_path):
    scenes = {"source": "official", "root": str(write_download(tmp_path / "download"))}
    scenes |= {"num_scenes": {"val_ID": 4, "train": 6}, "width_px": 56}
    raw = run_rendering(tmp_path / "2d", "2d", scenes).load()
    positions = np.load(tmp_path / "download" / "2D" / "2d.npz")["random"]
    found = np.stack([scene.locations()[0, :2] for scene in raw.scenes("random")])
    assert np.array_equal(found, positions)
    assert [len(raw.scenes(s)) for s in ("train", "val_ID")] == [6, 4]
    assert raw.image("random", "dot_random_000000.png").shape == (56, 56, 3)


def test_missing_download_leaves_no_pointer(tmp_path):
    scenes = {"source": "official", "root": str(tmp_path)}
    with pytest.raises(DatasetError, match=r"images/train.tar, .* not found"):
        run_rendering(tmp_path / "raw", "so3", scenes)
    assert not (tmp_path / "raw").exists()


def test_rendering_again_ends_the_pointing(tmp_path):
    scenes = {"source": "official", "root": str(write_download(tmp_path / "download"))}
    dataset = run_rendering(tmp_path / "raw", "clevr", scenes)
    dataset.save(Job({"train": 4}))
    assert dataset.load().splits() == ["train"]
