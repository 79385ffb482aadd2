"""Counts on paper are those of the known models."""

import pytest

from igllm_pipelines.model.config import ALL_LINEAR, TowerConfig
from igllm_pipelines.train.lengths import estimate_tokens
from igllm_pipelines.train.shapes import KNOWN, tower_shape


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("lmsys/vicuna-7b-v1.3", 6_738_415_616),
        ("lmsys/vicuna-13b-v1.3", 13_015_864_320),
        ("Qwen/Qwen2.5-0.5B-Instruct", 494_032_768),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", 1_100_048_384),
    ],
)
def test_parameters_of_known_models(name, parameters):
    assert KNOWN[name].parameters == parameters


def test_lora_of_the_paper():
    assert KNOWN["lmsys/vicuna-7b-v1.3"].lora_parameters(128, ALL_LINEAR) == 319_815_680


def test_unknown_lora_target_is_named():
    with pytest.raises(ValueError, match="wq"):
        KNOWN["lmsys/vicuna-7b-v1.3"].lora_parameters(8, ["wq"])


def test_tower_of_the_paper_has_576_tokens():
    tower = TowerConfig(
        pretrained="ViT-L-14-336-quickgelu/openai",
        image_px=336,
        layer=-2,
        final_norm=False,
    )
    assert (tower_shape(tower).num_tokens, tower_shape(tower).width) == (576, 1024)


def test_estimate_counts_each_digit():
    assert estimate_tokens("-1.234") == 6
