"""Builders: configuration into modules."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from igllm_pipelines.model.config import ModelConfig, TowerConfig
from igllm_pipelines.model.heads import LinearProjector
from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.model.numbers import (
    GaussianMixture,
    NumberTokenLoss,
    NumericHead,
    Point,
    ValueEmbedding,
    readout,
)
from igllm_pipelines.model.towers import ConvTower, OpenClipTower, Pixels, Tower


def build_tower(config: TowerConfig, seed: int) -> Tower:
    """The tower; its weights are drawn from `seed`, or loaded if ``pretrained``."""
    pixels = Pixels(config.pixels, config.image_px)
    tower: Tower
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if config.kind == "conv":
            tower = ConvTower(pixels, config.channels)
        else:
            transformer = _vision_transformer(config)
            layer, final_norm = config.layer, config.final_norm
            tower = OpenClipTower(pixels, transformer, layer, final_norm)
    tower.settings = asdict(config)
    return tower


def _vision_transformer(config: TowerConfig) -> nn.Module:
    if config.pretrained is not None:
        import open_clip

        name, _, tag = config.pretrained.partition("/")
        visual: nn.Module = open_clip.create_model(name, pretrained=tag).visual
        return visual
    from open_clip.transformer import VisionTransformer

    # fixed positions: learned ones know only the patches that training data fill
    transformer: nn.Module = VisionTransformer(
        image_size=config.image_px,
        patch_size=config.patch_px,
        width=config.width,
        layers=config.depth,
        heads=config.heads,
        mlp_ratio=config.mlp_ratio,
        pos_embed_type="sin_cos_2d",
    )
    return transformer


def build_language_model(config: ModelConfig, vocab_size: int, seed: int) -> nn.Module:
    """A Llama from scratch, its weights drawn from `seed`."""
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=vocab_size,
                hidden_size=config.hidden_dim,
                intermediate_size=config.mlp_dim,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                num_key_value_heads=config.heads,
                initializer_range=config.init_std,
                max_position_embeddings=config.max_positions,
                tie_word_embeddings=False,
                bos_token_id=None,
                eos_token_id=None,
            )
        )


def build_numeric_head(config: ModelConfig, hidden_dim: int) -> NumericHead | None:
    """The numeric head; None where numbers are text."""
    layers = readout(config.numeric_head, hidden_dim, config.mixture_components)
    if layers is None:
        return None
    huber = config.huber_delta if config.number_loss == "huber" else None
    mixture = config.numeric_head == "mixture"
    return NumericHead(
        layers,
        GaussianMixture() if mixture else Point(huber),
        ValueEmbedding(hidden_dim) if config.value_feedback else None,
        normalised=config.normalise_numbers,
    )


def build_model(
    tower: Tower,
    config: ModelConfig,
    *,
    vocab_size: int,
    num_id: int,
    seed: int,
    digit_ids: Sequence[int] = (),
) -> IGLLM:
    """The whole model around a tower.

    Args:
        tower: as `build_tower` made it, trained or not; frozen here if its settings
            say so.
        config: of the rest.
        vocab_size: number of ids of the tokenizer.
        num_id: id of ``[NUM]``, from the tokenizer.
        seed: of the new weights.
        digit_ids: tokens of 0 to 9, for the number-token loss.

    Raises:
        ValueError: the number-token loss is wanted without the digits' tokens.
    """
    tower.requires_grad_(False)
    if not tower.settings["frozen"]:
        for name, parameter in tower.named_parameters():
            # open_clip keeps its fixed positions as a parameter
            parameter.requires_grad_(not name.endswith("positional_embedding"))
    language_model = build_language_model(config, vocab_size, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1)
        projector = LinearProjector(
            tower.width,
            config.hidden_dim,
            tower.num_tokens,
            norm=config.projector_norm,
            positions=config.projector_positions,
            dropout=config.vision_dropout,
        )
        head = build_numeric_head(config, config.hidden_dim)
    return IGLLM(
        tower,
        projector,
        language_model,
        head,
        num_id=num_id,
        float_weight=config.float_weight,
        number_token_loss=(
            NumberTokenLoss(digit_ids)
            if head is None and config.number_token_weight
            else None
        ),
        number_token_weight=config.number_token_weight,
        settings={
            "tower": tower.settings,
            "model": asdict(config),
            "vocab_size": vocab_size,
            "num_id": num_id,
            "digit_ids": list(digit_ids),
        },
    )


def model_from_settings(settings: dict[str, Any]) -> IGLLM:
    """A model with random weights from what `IGLLM.settings` holds."""
    return build_model(
        build_tower(TowerConfig(**settings["tower"]), seed=0),
        ModelConfig(**settings["model"]),
        vocab_size=settings["vocab_size"],
        num_id=settings["num_id"],
        digit_ids=settings.get("digit_ids", ()),
        seed=0,
    )
