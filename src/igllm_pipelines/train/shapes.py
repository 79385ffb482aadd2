"""Shapes of towers and language models: parameters by arithmetic, without weights.

Counting on paper costs no import of torch and no download, so that a plan of a 7B model
is there in a second. Tests compare the counts with the built modules.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from igllm_pipelines.model.config import ALL_LINEAR, ModelConfig, TowerConfig

Linear = tuple[int, int]  # features in, features out


@dataclass(frozen=True)
class LanguageShape:
    """A causal language model of the Llama family.

    Attributes:
        vocab_size: rows of the embedding.
        hidden_dim, layers, heads, kv_heads, head_dim, mlp_dim: of the transformer.
        tied: the output matrix is the embedding.
        query_bias: the query, key and value matrices have biases (Qwen2).
        query_norm: queries and keys are normalised (Qwen3).
    """

    vocab_size: int
    hidden_dim: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp_dim: int
    tied: bool = False
    query_bias: bool = False
    query_norm: bool = False

    @property
    def linears(self) -> Mapping[str, Linear]:
        """The linear layers of one block, by the end of their names."""
        hidden, queries = self.hidden_dim, self.heads * self.head_dim
        keys = self.kv_heads * self.head_dim
        return {
            "q_proj": (hidden, queries),
            "k_proj": (hidden, keys),
            "v_proj": (hidden, keys),
            "o_proj": (queries, hidden),
            "gate_proj": (hidden, self.mlp_dim),
            "up_proj": (hidden, self.mlp_dim),
            "down_proj": (self.mlp_dim, hidden),
        }

    @property
    def block_parameters(self) -> int:
        """Of one block: matrices, biases, norms."""
        matrices = sum(rows * columns for rows, columns in self.linears.values())
        biases = (self.heads + 2 * self.kv_heads) * self.head_dim * self.query_bias
        norms = 2 * self.hidden_dim + 2 * self.head_dim * self.query_norm
        return matrices + biases + norms

    @property
    def parameters(self) -> int:
        """Of the whole model; a tied output matrix counts once.

        >>> KNOWN["lmsys/vicuna-7b-v1.3"].parameters
        6738415616
        """
        embedding = self.vocab_size * self.hidden_dim
        blocks = self.layers * self.block_parameters
        return embedding * (1 if self.tied else 2) + blocks + self.hidden_dim

    def lora_parameters(self, rank: int, targets: str | Sequence[str]) -> int:
        """Of LoRA: ``rank (in + out)`` for each target in each block.

        Args:
            rank: 0 for no LoRA.
            targets: ``all-linear``, or ends of module names.

        Raises:
            ValueError: a target is no linear layer of a block.
        """
        names = tuple(self.linears) if targets == ALL_LINEAR else tuple(targets)
        unknown = [name for name in names if name not in self.linears]
        if unknown:
            raise ValueError(
                f"lora_targets {', '.join(unknown)}: a plan knows "
                f"{', '.join(self.linears)}"
            )
        return self.layers * rank * sum(sum(self.linears[name]) for name in names)


@dataclass(frozen=True)
class TowerShape:
    """An image tower as far as it is computed.

    Attributes:
        parameters: up to the block that is read.
        num_tokens, width: of its output.
        blocks: that are computed.
        macs: multiply-adds of one image, attention included.
        hidden_bytes: of the maps of one block and one image, at two bytes a number.
        trainable: of `parameters`, those that training the tower moves; fixed
            positions stay.
    """

    parameters: int
    num_tokens: int
    width: int
    blocks: int
    macs: int
    hidden_bytes: int
    trainable: int


def _llama(
    vocab_size: int, hidden_dim: int, layers: int, heads: int, mlp_dim: int, **more: Any
) -> LanguageShape:
    return LanguageShape(
        vocab_size,
        hidden_dim,
        layers,
        heads,
        more.pop("kv_heads", heads),
        more.pop("head_dim", hidden_dim // heads),
        mlp_dim,
        **more,
    )


_QWEN_HALF = _llama(151936, 896, 24, 14, 4864, kv_heads=2, tied=True, query_bias=True)
_QWEN_1_5 = _llama(151936, 1536, 28, 12, 8960, kv_heads=2, tied=True, query_bias=True)
_VICUNA_7B = _llama(32000, 4096, 32, 32, 11008)
_VICUNA_13B = _llama(32000, 5120, 40, 40, 13824)
KNOWN: Mapping[str, LanguageShape] = {
    "lmsys/vicuna-7b-v1.3": _VICUNA_7B,
    "lmsys/vicuna-7b-v1.5": _VICUNA_7B,
    "lmsys/vicuna-13b-v1.3": _VICUNA_13B,
    "lmsys/vicuna-13b-v1.5": _VICUNA_13B,
    "Qwen/Qwen2.5-0.5B": _QWEN_HALF,
    "Qwen/Qwen2.5-0.5B-Instruct": _QWEN_HALF,
    "Qwen/Qwen2.5-1.5B": _QWEN_1_5,
    "Qwen/Qwen2.5-1.5B-Instruct": _QWEN_1_5,
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": _llama(32000, 2048, 22, 32, 5632, kv_heads=4),
}
_FAMILIES = ("llama", "mistral", "qwen2", "qwen3")


def language_shape(
    config: ModelConfig, vocab_size: int, folder: Path | None = None
) -> LanguageShape:
    """The shape of a model's language model.

    Args:
        config: of the model.
        vocab_size: of the tokenizer, for one that is built from scratch.
        folder: of the pretrained model, if it is on this machine.

    Raises:
        ValueError: a pretrained model that is neither known nor on this machine, or
            is of another family.
    """
    if config.pretrained is None:
        return _llama(
            vocab_size, config.hidden_dim, config.layers, config.heads, config.mlp_dim
        )
    if folder is not None:
        return read_shape(folder / "config.json")
    if config.pretrained not in KNOWN:
        raise ValueError(
            f"{config.pretrained} is not on this machine and its shape is not known; "
            f"known without its config.json: {', '.join(KNOWN)}"
        )
    return KNOWN[config.pretrained]


def read_shape(path: Path) -> LanguageShape:
    """The shape that a transformers ``config.json`` states.

    Raises:
        ValueError: it cannot be read, or is no Llama, Mistral, Qwen2 or Qwen3.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        family = found["model_type"]
        if family not in _FAMILIES:
            raise ValueError(
                f"a plan counts models of {', '.join(_FAMILIES)}, not {family}"
            )
        heads = found["num_attention_heads"]
        return _llama(
            found["vocab_size"],
            found["hidden_size"],
            found["num_hidden_layers"],
            heads,
            found["intermediate_size"],
            kv_heads=found.get("num_key_value_heads") or heads,
            head_dim=found.get("head_dim") or found["hidden_size"] // heads,
            tied=bool(found.get("tie_word_embeddings", False)),
            query_bias=family == "qwen2" or bool(found.get("attention_bias", False)),
            query_norm=family == "qwen3",
        )
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def tower_shape(config: TowerConfig) -> TowerShape:
    """The shape of a tower, up to the block that is read.

    Raises:
        ValueError: open_clip has no such model on this machine.
    """
    if config.kind == "conv":
        return _conv_shape(config.image_px, config.channels)
    if config.pretrained is None:
        return _transformer_shape(
            image_px=config.image_px,
            patch_px=config.patch_px,
            width=config.width,
            depth=config.depth,
            mlp_ratio=config.mlp_ratio,
            config=config,
            fixed_positions=True,
        )
    vision = _open_clip_vision(config.pretrained)
    return _transformer_shape(
        image_px=config.image_px,
        patch_px=vision["patch_size"],
        width=vision["width"],
        depth=vision["layers"],
        mlp_ratio=vision.get("mlp_ratio", 4.0),
        config=config,
        fixed_positions=False,
    )


def _open_clip_vision(pretrained: str) -> Mapping[str, Any]:
    """What open_clip's own file says of a model's vision transformer."""
    name = pretrained.partition("/")[0]
    spec = find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise ValueError(f"tower {pretrained}: open_clip is not installed")
    folder = Path(spec.origin).parent / "model_configs"
    path = folder / f"{name}.json"
    if not path.is_file():
        raise ValueError(f"tower {pretrained}: open_clip has no model {name!r}")
    vision: Mapping[str, Any] = json.loads(path.read_text())["vision_cfg"]
    if not isinstance(vision.get("layers"), int) or "timm_model_name" in vision:
        raise ValueError(f"tower {pretrained}: a plan counts vision transformers only")
    return vision


def _transformer_shape(
    *,
    image_px: int,
    patch_px: int,
    width: int,
    depth: int,
    mlp_ratio: float,
    config: TowerConfig,
    fixed_positions: bool,
) -> TowerShape:
    mlp_dim = int(width * mlp_ratio)
    blocks = depth + config.layer + 1
    tokens = (image_px // patch_px) ** 2
    sequence = tokens + 1  # and the class token
    attention = 4 * width * width + 4 * width
    mlp = 2 * width * mlp_dim + mlp_dim + width
    patches = 3 * patch_px * patch_px * width
    positions = sequence * width
    norms = 2 * width * (1 + config.final_norm)
    block = attention + mlp + 4 * width
    parameters = patches + width + positions + norms + blocks * block
    matrices = 4 * width * width + 2 * width * mlp_dim
    macs = tokens * patches + blocks * (
        sequence * matrices + 2 * sequence * sequence * width
    )
    return TowerShape(
        parameters=parameters,
        num_tokens=tokens,
        width=width,
        blocks=blocks,
        macs=macs,
        hidden_bytes=2 * sequence * (mlp_dim + 5 * width),
        trainable=parameters - positions * fixed_positions,
    )


def _conv_shape(image_px: int, channels: Sequence[int]) -> TowerShape:
    def layer(before: int, after: int, kernel: int) -> int:
        return before * after * kernel * kernel + after

    side = image_px // 2
    parameters = layer(3, channels[0], 5)
    macs = parameters * side * side
    for before, after in zip(channels[:-1], channels[1:], strict=True):
        side //= 2
        stage = layer(before, after, 3) + 2 * layer(after, after, 3)
        parameters += stage + 4 * after
        macs += stage * side * side
    parameters += 2 * channels[-1]
    return TowerShape(
        parameters=parameters,
        num_tokens=side * side,
        width=channels[-1],
        blocks=len(channels) - 1,
        macs=macs,
        hidden_bytes=4 * (image_px // 2) ** 2 * channels[0],
        trainable=parameters,
    )
