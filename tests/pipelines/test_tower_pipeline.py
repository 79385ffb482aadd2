"""Towers, their features and training, on pictures of any size, by configuration."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from open_clip import factory

from igllm_pipelines.datasets.features import FeatureDataset
from igllm_pipelines.datasets.folder import FolderDataset
from igllm_pipelines.datasets.model import TowerDataset
from igllm_pipelines.domains import DOMAINS, encoding_syntax
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.model.build import build_tower
from igllm_pipelines.model.config import ModelConfig, TowerConfig
from igllm_pipelines.pipelines.inference.nodes import predict
from igllm_pipelines.pipelines.training import create_tower_pipeline
from igllm_pipelines.pipelines.training.nodes import train_model
from igllm_pipelines.shards.raw import RawData
from igllm_pipelines.tokens.encoding import encode_scenes
from igllm_pipelines.tokens.sequences import ProgramTokens
from igllm_pipelines.tokens.tokenizer import train_tokenizer
from igllm_pipelines.train.config import FeatureConfig, TrainingConfig, WarmUpConfig
from tests.shards.official_trees import write_download

SYNTAX = DOMAINS["clevr"].syntax
CONV = TowerConfig(
    kind="conv",
    image_px=32,
    fit="pad",
    pixels="centered",
    frozen=True,
    channels=(8, 16, 16),
)
CLIP = TowerConfig(
    pretrained="tiny/random", image_px=28, fit="square", pixels="clip", frozen=True
)
WARM_UP = WarmUpConfig(
    steps=2, batch_size=2, warm_up_steps=1, mirror=False, num_threads=1
)
CACHE = FeatureConfig(budget_gb=1, num_threads=1)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Official CLEVR: pictures of 48 x 32 pixels."""
    return RawData(write_download(tmp_path_factory.mktemp("official")) / "CLEVR")


def run(folder, raw, tower, warm_up=WARM_UP, features=CACHE):
    """The tower and its features, as Kedro makes them."""
    data = {
        "raw": raw,
        "syntax": SYNTAX,
        "params:domain": "clevr",
        "params:tower": tower,
        "params:warm_up": warm_up,
        "params:features": features,
        "params:seed": 7,
    }
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in data.items()})
    catalog["tower"] = TowerDataset(filepath=str(folder / "tower"))
    catalog["features"] = FeatureDataset(filepath=str(folder / "features"))
    catalog["tower_checkpoints"] = FolderDataset(filepath=str(folder / "checkpoints"))
    SequentialRunner().run(create_tower_pipeline(), catalog)
    return catalog["tower"].load(), catalog["features"].load()


def test_official_pictures_are_padded_warmed_up_on_and_cached(tmp_path, raw):
    tower, features = run(tmp_path, raw, CONV)
    assert features.splits() == ["train", "val_ID", "val_OOD"]
    assert features.shape("train") == (3, 16, 16)
    fresh = build_tower(CONV, seed=7).state_dict()
    moved = [not torch.equal(fresh[name], w) for name, w in tower.state_dict().items()]
    assert any(moved)


def test_pictures_of_another_size_are_refused_where_they_must_fit(tmp_path, raw):
    exact = replace(CONV, fit="exact")
    with pytest.raises(ValueError, match=r"48 x 32 pixels.*32 x 32.*tower.fit"):
        run(tmp_path, raw, exact)


def test_over_budget_the_tower_runs_in_the_batches(tmp_path, raw, caplog):
    with caplog.at_level(logging.INFO, logger="igllm_pipelines"):
        _, features = run(tmp_path, raw, CONV, features=FeatureConfig(budget_gb=0))
    assert features.splits() == []
    assert "9 images" in caplog.text
    assert "not cached" in caplog.text
    assert FeatureDataset(filepath=str(tmp_path / "features")).exists()


def test_old_features_go_when_the_tower_is_trained(tmp_path, raw):
    run(tmp_path, raw, CONV)
    _, features = run(tmp_path, raw, replace(CONV, frozen=False))
    assert features.splits() == []


def test_no_warm_up_of_no_steps(tmp_path, raw, caplog):
    with caplog.at_level(logging.WARNING):
        tower, _ = run(tmp_path, raw, CONV, warm_up=WarmUpConfig(steps=0))
    fresh = build_tower(CONV, seed=7).state_dict()
    assert all(torch.equal(fresh[name], w) for name, w in tower.state_dict().items())
    assert "frozen with random weights" in caplog.text


def test_a_pretrained_tower_is_not_warmed_up_and_its_features_are_cached(
    tmp_path, raw, monkeypatch
):
    vision = {"image_size": 28, "patch_size": 14, "width": 64, "layers": 2}
    config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": {}}
    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny", config)
    tower, features = run(tmp_path, raw, CLIP)
    fresh = build_tower(CLIP, seed=7).state_dict()
    assert all(torch.equal(fresh[name], w) for name, w in tower.state_dict().items())
    assert features.shape("val_ID") == (3, 4, 64)


def learn(folder, raw, tower, features):
    """A model trained and asked, by the nodes of an encoding's pipeline."""
    tokenizer = train_tokenizer(SYNTAX)
    syntax = encoding_syntax(SYNTAX, "float")
    tokens = encode_scenes(raw.scenes("train"), syntax, "float", tokenizer)
    shared = {
        "raw": raw,
        "features": features,
        "tokenizer": tokenizer,
        "syntax": SYNTAX,
        "domain": "clevr",
        "encoding": "float",
        "inference": InferenceConfig(max_objects=1, max_tokens=80, num_threads=1),
        "variants": {},
    }
    folder.mkdir()
    model, history = train_model(
        tower=tower,
        tokens={"train": ProgramTokens(tokens)},
        checkpoints=folder,
        model=ModelConfig(hidden_dim=16, layers=1, heads=2, mlp_dim=16),
        training=TrainingConfig(
            steps=3,
            batch_size=2,
            warm_up_steps=1,
            log_every=1,
            save_every=0,
            validate_every=0,
            num_threads=1,
        ),
        seed=7,
        **shared,
    )
    return [row["loss"] for row in history if "loss" in row], predict(
        model=model, **shared
    )


def test_a_model_learns_the_same_from_the_cache_and_from_the_pictures(tmp_path, raw):
    tower, cached = run(tmp_path / "cached", raw, CONV)
    _, none = run(tmp_path / "none", raw, CONV, features=FeatureConfig(budget_gb=0))
    losses, records = learn(tmp_path / "a", raw, tower, cached)
    others, again = learn(tmp_path / "b", raw, tower, none)
    assert len(losses) == 3
    assert np.allclose(losses, others, rtol=1e-3)
    assert set(records) == set(again) == {"val_ID", "val_OOD"}
    for split in records:
        for one, other in zip(records[split], again[split], strict=True):
            assert np.allclose(one["numbers"], other["numbers"], atol=0.02)
