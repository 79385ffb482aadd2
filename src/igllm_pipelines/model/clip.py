"""CLIP's image encoder by open_clip's names: its shape, and where its weights are.

Only the image half of a checkpoint is read. Checkpoints of open_clip, of OpenAI in
open_clip's form, and of transformers' CLIP are understood, as safetensors or as torch
files without code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from igllm_pipelines.model.config import TowerConfig
from igllm_pipelines.model.towers import CLIP_MEAN, CLIP_STD, PIXEL_STATISTICS

Weights = Mapping[str, Tensor]
Triple = tuple[float, ...]

RANDOM = "random"
_HUB = "hf-hub:"


class TowerWeightsError(ValueError):
    """A pretrained tower that cannot be had: says which, why and what to do."""


@dataclass(frozen=True)
class ClipSource:
    """What ``tower.pretrained`` names.

    Attributes:
        text: as it is written.
        model: open_clip's name of the architecture.
        tag: of the weights, a file, or `RANDOM`; empty for a repository on the hub.
    """

    text: str
    model: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> "ClipSource":
        """Reads ``MODEL/TAG``, ``MODEL/FILE`` or ``hf-hub:OWNER/NAME``."""
        if text.startswith(_HUB):
            return cls(text, text, "")
        model, _, tag = text.partition("/")
        return cls(text, model, tag)

    def error(self, reason: str) -> TowerWeightsError:
        """What is wrong with it."""
        return TowerWeightsError(f"tower.pretrained {self.text}: {reason}")


def pretrained_transformer(config: TowerConfig, *, weights: bool = True) -> nn.Module:
    """The image encoder that ``config.pretrained`` names.

    Args:
        config: of the tower.
        weights: False leaves the weights random; nothing is downloaded then but the
            shape of a model on the hub.

    Returns:
        open_clip's ``VisionTransformer``.

    Raises:
        TowerWeightsError: the model or its weights are unknown, cannot be downloaded,
            are of another model, or want other images than `config` says.
    """
    source = ClipSource.parse(config.pretrained or "")
    _check_pixels(source, config.pixels)
    transformer: nn.Module = _architecture(source)
    _check_sizes(source, transformer, config)
    if weights and source.tag != RANDOM:
        load_image_weights(transformer, _weights_file(source), source)
    return transformer


def _check_pixels(source: ClipSource, pixels: str) -> None:
    mean, std = pixel_statistics(source)
    known = PIXEL_STATISTICS[pixels]
    if not np.allclose(known, (mean, std), atol=1e-6):
        raise source.error(
            f"it was trained on channels less {mean}, divided by {std}; tower.pixels "
            f"{pixels!r} is {known}"
        )


def _check_sizes(source: ClipSource, transformer: Any, config: TowerConfig) -> None:
    height, width = transformer.image_size
    if (width, height) != (config.image_px, config.image_px):
        raise source.error(
            f"it takes images of {width} x {height} pixels: set tower.image_px to "
            f"{width}, and tower.fit to pad or square where the data's are others"
        )
    blocks = len(transformer.transformer.resblocks)
    if -config.layer > blocks:
        raise source.error(f"tower.layer is {config.layer}, but it has {blocks} blocks")


def pixel_statistics(source: ClipSource) -> tuple[Triple, Triple]:
    """Mean and standard deviation of the channels that the weights were trained with.

    Of a file they are CLIP's, for nothing in it says others.
    """
    import open_clip

    if source.text.startswith(_HUB):
        found = _hub_config(source).get("preprocess_cfg", {})
    else:
        found = open_clip.get_pretrained_cfg(source.model, source.tag)
    mean, std = found.get("mean", CLIP_MEAN), found.get("std", CLIP_STD)
    return tuple(mean), tuple(std)


def load_image_weights(transformer: nn.Module, path: Path, source: ClipSource) -> None:
    """Loads the image half of a checkpoint, strictly.

    Raises:
        TowerWeightsError: the file cannot be read, holds no image encoder, or one of
            another shape.
    """
    state = image_weights(_read(path, source))
    if not state:
        raise source.error(f"{path} holds no image encoder of CLIP")
    try:
        transformer.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise source.error(f"{path} is of another model: {error}") from error


def image_weights(checkpoint: Weights) -> dict[str, Tensor]:
    """Weights of the image encoder alone, under open_clip's names.

    Args:
        checkpoint: of a whole model or of its image encoder, open_clip's or
            transformers'.

    Returns:
        all but the projection into CLIP's common space, which no tower uses; nothing,
        where there is no image encoder in it.
    """
    plain = {k.removeprefix("module."): weight for k, weight in checkpoint.items()}
    state = _below(plain, "visual.") or plain
    of_transformers = _below(plain, "vision_model.") or plain
    if "embeddings.class_embedding" in of_transformers:
        state = _from_transformers(of_transformers)
    if "class_embedding" not in state:
        return {}
    return {name: weight for name, weight in state.items() if name != "proj"}


def _below(weights: Weights, prefix: str) -> dict[str, Tensor]:
    """The weights whose names begin with `prefix`, without it."""
    start = len(prefix)
    return {k[start:]: weight for k, weight in weights.items() if k.startswith(prefix)}


_RENAMED = {
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding.weight": "conv1.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "pre_layrnorm.weight": "ln_pre.weight",
    "pre_layrnorm.bias": "ln_pre.bias",
    "post_layernorm.weight": "ln_post.weight",
    "post_layernorm.bias": "ln_post.bias",
}
_IN_BLOCK = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_BLOCK = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")


def _from_transformers(weights: Weights) -> dict[str, Tensor]:
    """Renames; queries, keys and values become one matrix, as in open_clip."""
    known = {old: new for old, new in _RENAMED.items() if old in weights}
    state = {new: weights[old] for old, new in known.items()}
    joined: dict[str, dict[str, Tensor]] = {}
    for name, weight in weights.items():
        found = _BLOCK.fullmatch(name)
        if found is None:
            continue
        number, module, kind = found.groups()
        block = f"transformer.resblocks.{number}"
        if module in _IN_BLOCK:
            state[f"{block}.{_IN_BLOCK[module]}.{kind}"] = weight
        else:
            joined.setdefault(f"{block}.attn.in_proj_{kind}", {})[module] = weight
    for name, parts in joined.items():
        order = [parts[f"self_attn.{part}_proj"] for part in "qkv"]
        state[name] = torch.cat(order)
    return state


def _architecture(source: ClipSource) -> Any:
    import open_clip
    from open_clip.model import _build_vision_tower

    if source.text.startswith(_HUB):
        config = _hub_config(source)["model_cfg"]
    else:
        config = open_clip.get_model_config(source.model)
    if config is None:
        raise source.error(
            f"open_clip knows no model {source.model!r}; "
            "open_clip.list_models() names them"
        )
    _check_activation(source, bool(config.get("quick_gelu", False)))
    vision = config["vision_cfg"]
    if "timm_model_name" in vision or not isinstance(vision["layers"], int):
        raise source.error("only open_clip's own vision transformers are supported")
    transformer: Any = _build_vision_tower(
        config["embed_dim"], vision, config.get("quick_gelu", False)
    )
    transformer.proj = None  # into CLIP's common space, which no tower uses
    return transformer


def _check_activation(source: ClipSource, quick_gelu: bool) -> None:
    import open_clip

    found = open_clip.get_pretrained_cfg(source.model, source.tag)
    wanted = bool(found.get("quick_gelu", quick_gelu)) if found else quick_gelu
    if wanted and not quick_gelu:
        name = f"{source.model}-quickgelu"
        raise source.error(f"these weights need quick-GELU: {name}/{source.tag}")
    if quick_gelu and found and not found.get("quick_gelu", False):
        name = source.model.removesuffix("-quickgelu")
        raise source.error(f"these weights need plain GELU: {name}/{source.tag}")


def _hub_config(source: ClipSource) -> dict[str, Any]:
    from open_clip.factory import _get_hf_config

    try:
        config: dict[str, Any] = _get_hf_config(source.text.removeprefix(_HUB))
    except Exception as error:  # the hub raises many kinds
        raise _not_downloaded(source, error) from error
    if "model_cfg" not in config:
        raise source.error("its open_clip_config.json has no model_cfg")
    return config


def _weights_file(source: ClipSource) -> Path:
    import open_clip
    from open_clip.pretrained import download_pretrained, download_pretrained_from_hf

    if Path(source.tag).is_file():
        return Path(source.tag)
    tagged = open_clip.get_pretrained_cfg(source.model, source.tag)
    if source.tag and not tagged:
        tags = open_clip.list_pretrained_tags_by_model(source.model)
        raise source.error(
            f"{source.tag!r} is neither a file nor a tag of {source.model}: "
            f"{', '.join(tags) or 'it has no tags'}"
        )
    try:
        if tagged:
            return Path(download_pretrained(tagged))
        return Path(download_pretrained_from_hf(source.text.removeprefix(_HUB)))
    except Exception as error:  # the hub raises many kinds
        raise _not_downloaded(source, error) from error


def _not_downloaded(source: ClipSource, error: Exception) -> TowerWeightsError:
    return source.error(
        f"it cannot be downloaded ({error}); with no network copy the file here and "
        "set tower.pretrained to MODEL/FILE, or set HF_HUB_CACHE to where it lies"
    )


def _read(path: Path, source: ClipSource) -> Weights:
    """The tensors of a file; nothing in it is run."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors and pickle raise their own
        raise source.error(
            f"{path} cannot be read as weights ({type(error).__name__}: {error}); "
            "safetensors, or a torch file of tensors alone, can"
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}
    return {k: v for k, v in state.items() if isinstance(v, Tensor)}
