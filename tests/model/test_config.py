import pytest

from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.model.config import ModelConfig, TowerConfig
from igllm_pipelines.train.config import TrainingConfig, WarmUpConfig


@pytest.mark.parametrize(
    ("config", "wrong", "reason"),
    [
        (TowerConfig, {"kind": "resnet"}, "tower kind"),
        (TowerConfig, {"image_px": 100}, "multiple of patch_px"),
        (TowerConfig, {"heads": 3}, "multiple of heads"),
        (TowerConfig, {"layer": -3}, "layer -3"),
        (TowerConfig, {"kind": "conv", "image_px": 100}, "multiple of 16"),
        (TowerConfig, {"kind": "conv", "image_px": 128, "pretrained": "a"}, "no pre"),
        (TowerConfig, {"kind": "conv", "channels": (24, 20, 96, 96)}, "multiples of 8"),
        (TowerConfig, {"pixels": "raw"}, "pixels 'raw'"),
        (ModelConfig, {"hidden_dim": 65}, "hidden_dim / heads"),
        (ModelConfig, {"numeric_head": "mlp"}, "numeric_head 'mlp'"),
        (ModelConfig, {"vision_dropout": 1.0}, "vision_dropout"),
        (ModelConfig, {"float_weight": -1.0}, "float_weight"),
        (TrainingConfig, {"steps": 50}, "warm_up_steps 100"),
        (TrainingConfig, {"save_every": 30}, "multiple of log_every"),
        (TrainingConfig, {"learning_rate": 0.0}, "learning_rate"),
        (TrainingConfig, {"num_samples": 0}, "num_samples"),
        (TrainingConfig, {"num_workers": -1}, "num_workers"),
        (TrainingConfig, {"max_grad_norm": -1.0}, "max_grad_norm"),
        (WarmUpConfig, {"steps": -1}, "steps must not be negative"),
        (InferenceConfig, {"batch_size": 0}, "batch_size"),
        (InferenceConfig, {"attribute_order": "random"}, "attribute_order"),
    ],
)
def test_config_refuses_what_does_not_fit(config, wrong, reason):
    with pytest.raises(ValueError, match=reason):
        config(**wrong)


@pytest.mark.parametrize(
    "config", [TowerConfig, ModelConfig, TrainingConfig, WarmUpConfig, InferenceConfig]
)
def test_config_refuses_unknown_key(config):
    with pytest.raises(TypeError, match="steppes"):
        config(steppes=3)
