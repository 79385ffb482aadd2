import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from igllm_pipelines.model.build import build_tower
from igllm_pipelines.model.storage import (
    ModelFolderError,
    load_model,
    load_tower,
    save_model,
    save_tower,
)
from tests.model.small import CONV, TOWER, small_batch, small_model


@pytest.fixture
def folder(tmp_path):
    save_model(small_model(seed=3), tmp_path / "model")
    return tmp_path / "model"


def test_model_round_trip(folder):
    model = load_model(folder)
    batch = small_batch()
    assert not model.training
    assert torch.equal(model(**batch).loss, small_model(seed=3)(**batch).loss)
    assert model.settings == small_model().settings


def test_model_round_trip_without_head_and_with_conv_tower(tmp_path):
    model = small_model(CONV, numeric_head="none", projector_positions=True)
    save_model(model, tmp_path / "m")
    assert load_model(tmp_path / "m").numeric_head is None


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


def test_load_refuses_missing_weight(folder):
    change_weights(folder, lambda w: w.pop("projector.linear.bias"))
    with pytest.raises(ModelFolderError, match=r"projector\.linear\.bias"):
        load_model(folder)


def test_load_refuses_superfluous_weight(folder):
    change_weights(folder, lambda w: w.update(extra=torch.zeros(1)))
    with pytest.raises(ModelFolderError, match="extra"):
        load_model(folder)


def test_load_refuses_weights_of_another_configuration(folder):
    config = json.loads((folder / "config.json").read_text())
    config["model"]["layers"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFolderError, match="weights do not fit"):
        load_model(folder)


def test_load_refuses_unknown_setting(folder):
    config = json.loads((folder / "config.json").read_text())
    config["model"]["lairs"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFolderError, match="lairs"):
        load_model(folder)


def test_load_refuses_truncated_weights(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelFolderError, match="cannot be read"):
        load_model(folder)


def test_load_refuses_missing_folder(tmp_path):
    with pytest.raises(ModelFolderError, match=r"there is no config\.json"):
        load_model(tmp_path / "nowhere")


def test_tower_round_trip(tmp_path):
    tower = build_tower(CONV, seed=4)
    save_tower(tower, tmp_path / "t")
    loaded = load_tower(tmp_path / "t", CONV)
    for name, weight in tower.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight)


def test_tower_of_another_configuration_is_refused(tmp_path):
    save_tower(build_tower(CONV, seed=4), tmp_path / "t")
    with pytest.raises(ModelFolderError, match="wanted is"):
        load_tower(tmp_path / "t", TOWER)


def test_save_replaces_a_folder_whole(folder):
    (folder / "left_over.txt").write_text("old")
    save_model(small_model(seed=4), folder)
    assert sorted(p.name for p in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    assert not list(folder.parent.glob(".*"))
