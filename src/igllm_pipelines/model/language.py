"""Language models: from scratch or pretrained."""

import hashlib
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.model.lora import LanguageModelError, add_lora, train_row

# numbers of each frozen tensor that tell one set of weights from another
_SAMPLED = 16
# what a configuration says of where it comes from
_NO_ARCHITECTURE = ("_name_or_path", "architectures", "dtype", "transformers_version")


def build_language_model(
    config: ModelConfig,
    *,
    vocab_size: int,
    num_id: int,
    seed: int,
    architecture: Mapping[str, Any] | None = None,
) -> Any:
    """A causal language model of transformers; under LoRA only that is trained.

    Args:
        config: of the model.
        vocab_size: number of ids of the tokenizer.
        num_id: id of ``[NUM]``; its row is trained if the tokenizer got it as new.
        seed: of the new weights.
        architecture: a transformers configuration to build from with random weights,
            where those of `config.pretrained` are not needed; None to load them.

    Raises:
        LanguageModelError: the pretrained weights cannot be had or do not belong to
            the tokenizer, or a target of LoRA is no linear layer.
    """
    added = config.pretrained is not None and config.num_token == "added"
    model: Any
    if config.pretrained is None:
        model = scratch_model(config, vocab_size, seed)
    elif architecture is not None:
        model = shaped_model(architecture)
    else:
        model = pretrained_model(config)
        fit_vocabulary(model, vocab_size, num_id, added=added)
    if config.lora_r:
        add_lora(model, config, seed + 2)
        if added:
            train_row(model, num_id)
    return model


def scratch_model(config: ModelConfig, vocab_size: int, seed: int) -> nn.Module:
    """A Llama whose weights are drawn from `seed`."""
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = LlamaForCausalLM(
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
    for parameter in model.parameters():  # and not buffers: positions stay exact
        parameter.data = parameter.data.to(getattr(torch, config.dtype))
    return model


def pretrained_model(config: ModelConfig) -> nn.Module:
    """A causal language model of transformers with all its weights.

    Raises:
        LanguageModelError: the folder or hub name has none, weights are missing or of
            another shape, or bitsandbytes is.
    """
    from transformers import AutoModelForCausalLM

    source = config.pretrained
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=getattr(torch, config.dtype),
            output_loading_info=True,
            trust_remote_code=False,  # not even a question whether its code may run
            **_quantization(config.quantization),
        )
    except LanguageModelError:
        raise
    except Exception as error:  # the hub, the disk, the parsers raise many kinds
        raise LanguageModelError(_not_loaded(str(source), error)) from error
    lost = [*report["missing_keys"], *report["mismatched_keys"]]
    if lost:
        raise LanguageModelError(
            f"{source}: {len(lost)} weights are missing or of another shape, {lost[0]} "
            "for example; download the language model again"
        )
    whole: nn.Module = model
    return whole


def _not_loaded(source: str, error: Exception) -> str:
    if not Path(source).exists():
        return (
            f"the language model {source!r} is no folder here and cannot be had from "
            f"the hub ({error}); download it with `hf download {source}` where there "
            "is a network, or set model.pretrained to a folder that holds it"
        )
    return f"{source}: no language model can be loaded from there ({error})"


def _quantization(kind: str) -> dict[str, Any]:
    """What from_pretrained needs to load weights in 4 or 8 bits."""
    if kind == "none":
        return {}
    if find_spec("bitsandbytes") is None:
        raise LanguageModelError(
            f"quantization {kind!r} needs bitsandbytes, which is not installed: "
            "pip install bitsandbytes, or set model.quantization to none"
        )
    from transformers import BitsAndBytesConfig

    if kind == "8bit":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}
    four = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": four}


def architecture(model: Any) -> dict[str, Any]:
    """The transformers configuration of a model as JSON, for `shaped_model`."""
    settings: dict[str, Any] = json.loads(model.config.to_json_string())
    return {k: v for k, v in settings.items() if k not in _NO_ARCHITECTURE}


def shaped_model(architecture: Mapping[str, Any]) -> nn.Module:
    """A language model with random weights from its transformers configuration."""
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = dict(architecture)
    shape = AutoConfig.for_model(settings.pop("model_type"), **settings)
    model: nn.Module = AutoModelForCausalLM.from_config(shape)
    return model.float()


def fit_vocabulary(model: Any, vocab_size: int, num_id: int, *, added: bool) -> None:
    """Makes room for all ids; an added ``[NUM]`` starts as the mean of all tokens.

    Args:
        model: a causal language model of transformers, changed in place.
        vocab_size: ids of the tokenizer; many models have more rows than that.
        num_id: id of ``[NUM]``.
        added: the tokenizer got it as a new token.

    Raises:
        LanguageModelError: the model has fewer rows than the tokenizer had ids.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    if vocab_size > rows + added:
        raise LanguageModelError(
            f"the tokenizer has {vocab_size} ids, the language model only {rows} "
            "embeddings: they do not belong together"
        )
    if vocab_size > rows:
        model.resize_token_embeddings(vocab_size, mean_resizing=False)
    if not added:
        return
    with torch.no_grad():
        for part in (model.get_input_embeddings(), model.get_output_embeddings()):
            part.weight[num_id] = part.weight[:num_id].float().mean(dim=0)


def next_token_logits(
    model: Any, states: Float[Tensor, "... hidden"]
) -> Float[Tensor, "... vocabulary"]:
    """The logits that a causal language model makes of its last hidden states.

    Some families do not end with the output matrix: Cohere's and Granite's scale its
    logits, Gemma 2 bounds them to ``cap tanh(logits / cap)``.
    """
    logits: Tensor = model.get_output_embeddings()(states)
    if scale := getattr(model.config, "logit_scale", None):
        logits = logits * scale
    if scaling := getattr(model.config, "logits_scaling", None):
        logits = logits / scaling
    if cap := getattr(model.config, "final_logit_softcapping", None):
        logits = cap * torch.tanh(logits / cap)
    return logits


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes and some numbers of each tensor; quick for any size."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        flat = tensor.detach().flatten()
        step = max(1, len(flat) // _SAMPLED)
        sample = flat[::step][:_SAMPLED].cpu().float()
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(sample.numpy().tobytes())
    return digest.hexdigest()
