"""Builders: configuration into modules."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from igllm_pipelines.model.clip import RANDOM
from igllm_pipelines.model.config import ModelConfig, TowerConfig
from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.model.language import (
    architecture,
    build_language_model,
    weights_digest,
)
from igllm_pipelines.model.numbers import (
    GaussianMixture,
    NumberTokenLoss,
    NumericHead,
    Point,
    ValueEmbedding,
    readout,
)
from igllm_pipelines.model.projector import Projector
from igllm_pipelines.model.towers import ConvTower, OpenClipTower, Pixels, Tower


def build_tower(config: TowerConfig, seed: int, *, weights: bool = True) -> Tower:
    """The tower; its weights are drawn from `seed`, or loaded if ``pretrained``.

    Args:
        config: of the tower.
        seed: of new weights.
        weights: False leaves pretrained ones random, for they are loaded later.

    Raises:
        ValueError: pretrained weights cannot be had, or they belong to images of
            another size or to other pixel values than `config` says.
    """
    pixels = Pixels(config.pixels, config.image_px)
    tower: Tower
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if config.kind == "conv":
            tower = ConvTower(pixels, config.channels)
        else:
            transformer = _vision_transformer(config, weights)
            layer, final_norm = config.layer, config.final_norm
            tower = OpenClipTower(pixels, transformer, layer, final_norm)
    tower.settings = asdict(config)
    return tower


def _vision_transformer(config: TowerConfig, weights: bool) -> nn.Module:
    if config.pretrained is not None:
        from igllm_pipelines.model.clip import pretrained_transformer

        return pretrained_transformer(config, weights=weights)
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
    stored: Mapping[str, Any] | None = None,
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
        stored: settings of a model whose weights are loaded afterwards: what it holds
            itself stays random here. None for a new model.

    Raises:
        ValueError: the number-token loss is wanted without the digits' tokens; or the
            weights of a pretrained part cannot be had or do not fit.
    """
    _choose_trained(tower)
    language_model = build_language_model(
        config,
        vocab_size=vocab_size,
        num_id=num_id,
        seed=seed,
        architecture=(stored or {}).get("architecture"),
    )
    hidden_dim = int(language_model.config.hidden_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1)
        projector = Projector(
            tower.width,
            hidden_dim,
            tower.num_tokens,
            kind=config.projector,
            norm=config.projector_norm,
            positions=config.projector_positions,
            dropout=config.vision_dropout,
        )
        head = build_numeric_head(config, hidden_dim)
    if config.projector_weights is not None and stored is None:
        projector.load(Path(config.projector_weights))
    external = _external(tower, language_model, config)
    of_text = head is None and config.number_token_weight > 0
    return IGLLM(
        tower,
        projector,
        language_model,
        head,
        num_id=num_id,
        float_weight=config.float_weight,
        number_token_loss=NumberTokenLoss(digit_ids) if of_text else None,
        number_token_weight=config.number_token_weight,
        external=[f"{part}.{n}" for part, found in external.items() for n in found],
        settings={
            "tower": tower.settings,
            "model": asdict(config),
            "vocab_size": vocab_size,
            "num_id": num_id,
            "digit_ids": list(digit_ids),
            **_provenance(external, language_model, config),
        },
    )


def _choose_trained(tower: Tower) -> None:
    """Freezes the tower, or all of it that is no fixed position."""
    trained = not tower.settings["frozen"]
    fixed = tower.settings["pretrained"] is None
    for name, parameter in tower.named_parameters():
        # open_clip keeps its fixed positions as a parameter
        at_place = fixed and name.endswith("positional_embedding")
        parameter.requires_grad_(trained and not at_place)


def _external(
    tower: Tower, language_model: Any, config: ModelConfig
) -> dict[str, dict[str, Tensor]]:
    """The weights of each part that come from a pretrained source and stay frozen."""
    found: dict[str, dict[str, Tensor]] = {}
    source = tower.settings["pretrained"]
    random = source is not None and source.endswith(f"/{RANDOM}")
    if source is not None and tower.settings["frozen"] and not random:
        found["tower"] = dict(tower.state_dict())
    if config.pretrained is not None and config.lora_r:
        parameters = language_model.named_parameters(remove_duplicate=False)
        trained = {name for name, weight in parameters if weight.requires_grad}
        found["language_model"] = {
            name: weight
            for name, weight in language_model.state_dict().items()
            if name not in trained
        }
    return found


def _provenance(
    external: Mapping[str, Mapping[str, Tensor]],
    language_model: Any,
    config: ModelConfig,
) -> dict[str, Any]:
    """Settings of pretrained parts: what is loaded again, what is only its shape."""
    settings: dict[str, Any] = {}
    if external:
        settings["external"] = {p: weights_digest(w) for p, w in external.items()}
    if config.pretrained is not None and "language_model" not in external:
        settings["architecture"] = architecture(language_model)
    return settings


def model_from_settings(settings: Mapping[str, Any]) -> IGLLM:
    """A model from what `IGLLM.settings` holds, for weights to be loaded into.

    Weights are random, but for frozen ones of a pretrained source.
    """
    loaded = "tower" in settings.get("external", {})
    return build_model(
        build_tower(TowerConfig(**settings["tower"]), seed=0, weights=loaded),
        ModelConfig(**settings["model"]),
        vocab_size=settings["vocab_size"],
        num_id=settings["num_id"],
        digit_ids=settings.get("digit_ids", ()),
        seed=0,
        stored=settings,
    )
