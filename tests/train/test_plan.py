"""Plans: parts of whole models, memory by the shipped configurations of DeepSpeed."""

from dataclasses import replace

import pytest

from igllm_pipelines.model.build import build_model, build_tower
from igllm_pipelines.model.config import ModelConfig, TowerConfig
from igllm_pipelines.train.config import TrainingConfig
from igllm_pipelines.train.cost import (
    STAGES,
    activations,
    feature_bytes,
    flops_per_sample,
    memory,
)
from igllm_pipelines.train.plan import Lengths, TrainingPlan
from igllm_pipelines.train.shapes import KNOWN, language_shape, tower_shape
from igllm_pipelines.train.zero import SHIPPED, deepspeed_settings, shipped_names
from tests.model.pretrained import WRITERS

TOWER = TowerConfig(image_px=28, width=16, depth=2, heads=2, frozen=True)
VICUNA = ModelConfig(
    pretrained="lmsys/vicuna-7b-v1.3", dtype="bfloat16", lora_r=128, lora_alpha=256.0
)
CLIP = TowerConfig(
    pretrained="ViT-L-14-336-quickgelu/openai",
    image_px=336,
    pixels="clip",
    frozen=True,
    layer=-2,
    final_norm=False,
)
MIXED = TrainingConfig(
    precision="bf16", deepspeed="zero2", gradient_checkpointing=True, batch_size=32
)


def paper(**changed):
    given = {
        "tower": tower_shape(CLIP),
        "language": KNOWN["lmsys/vicuna-7b-v1.3"],
        "tower_config": CLIP,
        "model": VICUNA,
        "training": MIXED,
        "lengths": Lengths(56, 141, 300, exact=False),
        **changed,
    }
    return TrainingPlan(**given)


@pytest.mark.parametrize("kind", ["llama", "qwen"])
@pytest.mark.parametrize("num_token", ["existing", "added"])
@pytest.mark.parametrize("frozen", [True, False])
def test_trained_and_frozen_are_the_built_models(tmp_path, kind, num_token, frozen):
    folder = WRITERS[kind](tmp_path)
    model = ModelConfig(pretrained=str(folder), num_token=num_token, lora_r=4)
    tower = replace(TOWER, frozen=frozen)
    language = language_shape(model, 0, folder)
    size = language.vocab_size
    plan = paper(
        tower=tower_shape(tower), language=language, tower_config=tower, model=model
    )
    new = num_token == "added" and kind == "llama"  # the Qwen has rows to spare
    num_id = size if new else 40
    built = build_model(
        build_tower(tower, 0), model, vocab_size=size + new, num_id=num_id, seed=0
    )
    weights = list(built.parameters())
    assert plan.trained == sum(w.numel() for w in weights if w.requires_grad)
    grown = 2 * language.hidden_dim * new  # the new row of the frozen matrices
    frozen_numbers = sum(w.numel() for w in weights if not w.requires_grad)
    assert plan.frozen == frozen_numbers - grown


def test_stages_are_the_shipped_configurations():
    files = [stage.file for stage in STAGES if stage.file]
    assert sorted(files) == shipped_names()
    assert all((SHIPPED / f"{name}.json").is_file() for name in files)
    for stage in STAGES[1:]:
        loaded = deepspeed_settings(replace(MIXED, deepspeed=stage.file))
        assert stage.settings == loaded["zero_optimization"]
        assert f"ZeRO-{stage.settings['stage']}" in stage.title
        assert ("offload" in stage.title) == ("offload_optimizer" in stage.settings)


def test_memory_of_the_paper_on_one_gpu_by_hand():
    plan = paper()
    found = memory(plan, STAGES[0])
    tower, language, trained = 290_909_184, 6_738_415_616, plan.trained
    assert trained == 319_815_680 + 4_198_400 + 16_785_409
    assert found.weights == 4 * tower + 2 * language + (4 + 2) * trained
    assert found.states == (4 + 8) * trained
    assert found.activations == activations(plan)
    assert found.host == 0


def test_each_stage_shares_more():
    plan = paper(gpus=8)
    _, one, two, two_offload, three, three_offload = (memory(plan, s) for s in STAGES)
    trained, buckets = plan.trained, 8 * 50_000_000
    assert one.states == 4 * trained + 12 * trained / 8 + buckets
    assert two.states == 16 * trained / 8 + buckets
    assert two_offload.host == 12 * trained / 8
    assert two_offload.states == two.states - two_offload.host
    assert three.weights < two.weights / 2
    assert three_offload.weights < three.weights
    assert three_offload.host > two_offload.host


def test_cached_features_spare_the_tower():
    plain, cached = paper(), paper(features_cached=True)
    spared = flops_per_sample(plain) - flops_per_sample(cached)
    assert spared == pytest.approx(2 * plain.tower.macs)
    weights = [memory(plan, STAGES[0]).weights for plan in (plain, cached)]
    assert weights[0] - weights[1] == 4 * plain.tower.parameters
    assert feature_bytes(plain.tower, 1) == 2 * 576 * 1024
