"""What is trained of a frozen language model: LoRA, and the row of one new token."""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from igllm_pipelines.model.config import ALL_LINEAR, ModelConfig


class LanguageModelError(ValueError):
    """A language model that cannot be had or changed: which, why and what to do."""


class OneRow(nn.Module):
    """A matrix that stays as it is but for one row, which is trained.

    Args:
        base: the embedding, or the output matrix; its bias stays as it is.
        index: of the row.
        row: its weights.
    """

    def __init__(
        self, base: nn.Embedding | nn.Linear, index: int, row: nn.Parameter
    ) -> None:
        super().__init__()
        self.base = base
        self.index = index
        self.row = row

    @property
    def weight(self) -> Tensor:
        """The frozen weights."""
        return self.base.weight


class RowEmbedding(OneRow):
    """An embedding of which one row is trained."""

    def forward(self, ids: Int64[Tensor, "..."]) -> Float[Tensor, "... hidden"]:
        """Embeddings of ids."""
        words: Tensor = self.base(ids)
        row = self.row * getattr(self.base, "embed_scale", 1.0)  # Gemma's
        return torch.where((ids == self.index)[..., None], row.to(words.dtype), words)


class RowHead(OneRow):
    """An output matrix of which one row is trained."""

    base: nn.Linear

    def forward(
        self, states: Float[Tensor, "... hidden"]
    ) -> Float[Tensor, "... vocabulary"]:
        """Logits of hidden states."""
        logits: Tensor = self.base(states)
        own = nn.functional.linear(states, self.row.to(states.dtype)[None])
        if self.base.bias is not None:
            own = own + self.base.bias[self.index]
        place = torch.tensor([self.index], device=logits.device)
        return logits.index_copy(-1, place, own.to(logits.dtype))


def train_row(model: Any, index: int) -> None:
    """Makes one row of the embeddings, and of the output matrix, trainable alone.

    Where both are one matrix, they share the row. The rest is frozen by the caller.
    """
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    row = nn.Parameter(embedding.weight[index].detach().float().clone())
    tied = head.weight is embedding.weight
    out = row if tied else nn.Parameter(head.weight[index].detach().float().clone())
    model.set_input_embeddings(RowEmbedding(embedding, index, row))
    model.set_output_embeddings(RowHead(head, index, out))


def lora_targets(model: Any, config: ModelConfig) -> list[str]:
    """Names of the linear layers that LoRA changes.

    Raises:
        LanguageModelError: a target of the configuration is no linear layer.
    """
    from transformers.pytorch_utils import Conv1D  # GPT-2's, a transposed linear one

    head = model.get_output_embeddings()
    linears = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and module is not head
    ]
    if config.lora_targets == ALL_LINEAR:
        return linears
    chosen = []
    for target in config.lora_targets:
        found = [n for n in linears if n == target or n.endswith(f".{target}")]
        if not found:
            raise LanguageModelError(
                f"lora_targets: the language model has no linear layer {target!r}; it "
                f"has {', '.join(sorted({n.rpartition('.')[2] for n in linears}))}"
            )
        chosen += found
    return list(dict.fromkeys(chosen))


def add_lora(model: Any, config: ModelConfig, seed: int) -> None:
    """Freezes a language model and adds LoRA to it, in place.

    LoRA's own weights are float32, whatever the frozen ones are. It starts as no
    change at all.

    Args:
        model: a causal language model of transformers.
        config: rank, scale, dropout and targets.
        seed: of LoRA's first weights.

    Raises:
        LanguageModelError: a target is no linear layer.
    """
    from peft import LoraConfig, inject_adapter_in_model

    model.requires_grad_(False)
    targets = lora_targets(model, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(
            LoraConfig(
                r=config.lora_r,
                lora_alpha=config.lora_alpha,
                lora_dropout=config.lora_dropout,
                target_modules=targets,
                fan_in_fan_out=not isinstance(
                    model.get_submodule(targets[0]), nn.Linear
                ),
                bias="none",
            ),
            model,
        )
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()


def merge_lora(model: Any) -> Any:
    """Folds LoRA and a trained row into the weights they change, in place.

    Args:
        model: the language model of an `IGLLM`, as `add_lora` and `train_row` left it.

    Returns:
        The same model as transformers knows it, all weights frozen:
        ``save_pretrained`` writes a folder that any program for such models reads.

    Raises:
        LanguageModelError: its weights are quantized.
    """
    from peft.tuners.lora import LoraLayer

    if getattr(model, "is_quantized", False):
        raise LanguageModelError(
            "LoRA cannot be merged into quantized weights without loss; load the model "
            "with quantization none and merge then"
        )
    layers = [(n, m) for n, m in model.named_modules() if isinstance(m, LoraLayer)]
    for name, layer in layers:
        layer.merge()
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layer.get_base_layer())
    for part, put in (
        (model.get_input_embeddings(), model.set_input_embeddings),
        (model.get_output_embeddings(), model.set_output_embeddings),
    ):
        if isinstance(part, OneRow):
            with torch.no_grad():
                part.base.weight[part.index] = part.row.to(part.base.weight.dtype)
            put(part.base)
    for attribute in ("peft_config", "_hf_peft_config_loaded"):
        if attribute in vars(model):
            delattr(model, attribute)
    model.requires_grad_(False)
    return model
