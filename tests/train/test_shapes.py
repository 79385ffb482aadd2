"""Counts on paper are those of the known models, and of the built modules."""

from dataclasses import replace

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from igllm_pipelines.model.build import build_numeric_head, build_tower
from igllm_pipelines.model.config import ALL_LINEAR, ModelConfig, TowerConfig
from igllm_pipelines.model.lora import add_lora
from igllm_pipelines.model.projector import Projector
from igllm_pipelines.train.lengths import estimate_tokens
from igllm_pipelines.train.plan import head_parameters, projector_parameters
from igllm_pipelines.train.shapes import KNOWN, LanguageShape, read_shape, tower_shape


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


def count(module):
    """Parameters of a module; it may lie on the meta device."""
    return sum(weight.numel() for weight in module.parameters())


def built(shape, **given):
    """transformers' model of a shape, without weights, and its ``config.json``."""
    common = {
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_dim,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "intermediate_size": shape.mlp_dim,
        "tie_word_embeddings": shape.tied,
    }
    config = AutoConfig.for_model(**common, **given)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config), config


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("lmsys/vicuna-7b-v1.3", "llama"),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "llama"),
        ("Qwen/Qwen2.5-0.5B-Instruct", "qwen2"),
    ],
)
def test_language_model_and_lora_have_the_built_ones_numbers(name, family, tmp_path):
    shape = KNOWN[name]
    model, config = built(shape, model_type=family)
    assert count(model) == shape.parameters
    config.save_pretrained(tmp_path)
    assert read_shape(tmp_path / "config.json") == shape
    with torch.device("meta"):
        add_lora(model, ModelConfig(pretrained=name, lora_r=8), seed=0)
    lora = sum(w.numel() for w in model.parameters() if w.requires_grad)
    assert lora == shape.lora_parameters(8, ALL_LINEAR)
    assert count(model) == shape.parameters + lora


def test_qwen3_normalises_queries_and_has_heads_of_its_own_size(tmp_path):
    shape = LanguageShape(64, 32, 2, 4, 2, 16, 48, query_norm=True)
    model, config = built(shape, model_type="qwen3", head_dim=16)
    assert count(model) == shape.parameters
    config.save_pretrained(tmp_path)
    assert read_shape(tmp_path / "config.json") == shape


PAPER_TOWER = TowerConfig(
    pretrained="ViT-L-14-336-quickgelu/random",
    image_px=336,
    pixels="clip",
    frozen=True,
    layer=-2,
    final_norm=False,
)


@pytest.mark.parametrize(
    "config",
    [
        PAPER_TOWER,
        replace(PAPER_TOWER, layer=-1, final_norm=True),
        TowerConfig(image_px=112, pixels="white_to_zero", width=64, depth=2, heads=4),
        TowerConfig(
            kind="conv", image_px=96, pixels="centered", channels=(24, 48, 96, 96)
        ),
    ],
)
def test_tower_has_the_built_ones_numbers(config):
    shape = tower_shape(config)
    with torch.device("meta"):
        tower = build_tower(config, seed=0)
    assert count(tower) == shape.parameters
    assert (tower.num_tokens, tower.width) == (shape.num_tokens, shape.width)


@pytest.mark.parametrize("numeric_head", ["none", "linear", "tanh_mlp_gelu", "mixture"])
@pytest.mark.parametrize("more", [{}, {"value_feedback": True, "projector_norm": True}])
def test_head_and_projector_have_the_built_ones_numbers(numeric_head, more):
    if numeric_head == "none" and more:
        more = {"projector": "mlp2x_gelu"}
    model = ModelConfig(numeric_head=numeric_head, **more)
    head = build_numeric_head(model, 24)
    assert head_parameters(model, 24) == (count(head) if head else 0)
    kind, norm = model.projector, model.projector_norm
    projector = Projector(16, 24, 4, kind=kind, norm=norm)
    assert projector_parameters(model, 16, 24) == count(projector)
