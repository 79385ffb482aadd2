import pytest
import torch
from torch import nn
from transformers import (
    GPT2Config,
    GPT2Model,
    LlamaConfig,
    LlamaModel,
    Qwen2Config,
    Qwen2Model,
)

from igllm_pipelines.model.last_layer import last_mlp_from
from tests.model.small import small_batch, small_model

WIDTH, FIRST = 32, 4
SHAPE = {
    "vocab_size": 20,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
BASES = {
    "llama": lambda: LlamaModel(LlamaConfig(**SHAPE)),
    "qwen": lambda: Qwen2Model(Qwen2Config(**SHAPE)),
    "gpt2": lambda: GPT2Model(
        GPT2Config(vocab_size=20, n_embd=WIDTH, n_layer=2, n_head=2)
    ),
}


def states_of(base, inputs):
    return base(inputs_embeds=inputs, use_cache=False).last_hidden_state


class Counter:
    """How many positions a module was asked for."""

    def __init__(self, linear):
        self.positions = 0
        linear.register_forward_hook(self._count)

    def _count(self, module: nn.Module, inputs, output):
        self.positions += inputs[0].shape[1]


@pytest.mark.parametrize("name", BASES)
def test_the_states_behind_it_are_the_same(name):
    torch.manual_seed(0)
    base = BASES[name]().eval()
    inputs = torch.randn(2, 9, WIDTH)
    whole = states_of(base, inputs)
    with last_mlp_from(base, FIRST):
        trimmed = states_of(base, inputs)
    torch.testing.assert_close(trimmed[:, FIRST:], whole[:, FIRST:])
    torch.testing.assert_close(states_of(base, inputs), whole)  # nothing stays behind


def test_only_the_last_mlp_sees_fewer_positions():
    base = BASES["llama"]()
    counters = [Counter(layer.mlp.down_proj) for layer in base.layers]
    with last_mlp_from(base, FIRST):
        states_of(base, torch.randn(2, 9, WIDTH))
    assert [counter.positions for counter in counters] == [9, 5]


def test_activations_that_are_computed_again_are_whole():
    base = BASES["llama"]().train()
    base.activation_checkpointing_enable()
    counter = Counter(base.layers[-1].mlp.gate_proj)
    with last_mlp_from(base, FIRST):
        states = states_of(base, torch.randn(2, 9, WIDTH, requires_grad=True))
    states[:, FIRST:].sum().backward()
    assert counter.positions == 18


def test_compiled_layers_are_left_alone():
    base = BASES["llama"]()
    base.layers[-1].compile(backend="eager")
    counter = Counter(base.layers[-1].mlp.down_proj)
    with torch.no_grad(), last_mlp_from(base, FIRST):
        states_of(base, torch.randn(2, 9, WIDTH))
    assert counter.positions == 9


def test_losses_and_gradients_are_those_of_the_whole_model():
    batch = small_batch()
    trimmed, whole = small_model(), small_model()
    counter = Counter(trimmed.language_model.base_model.layers[-1].mlp.down_proj)
    trimmed(**batch).loss.backward()
    assert counter.positions == batch["input_ids"].shape[1] + 1
    states = whole.hidden_states(
        whole.embed(batch["vision"], batch["prefix_ids"], batch["input_ids"])
    )[:, -batch["input_ids"].shape[1] - 1 : -1]
    labelled, where = batch["labels"] != -100, batch["labels"] == whole.num_id
    ce = nn.functional.cross_entropy(
        whole.logits(states[labelled]), batch["labels"][labelled]
    )
    outputs = whole.numeric_head(states[where])
    (ce + whole.numeric_head.loss(outputs, batch["numbers"][where])).backward()
    for (name, ours), theirs in zip(
        trimmed.named_parameters(), whole.parameters(), strict=True
    ):
        if theirs.grad is not None:
            torch.testing.assert_close(ours.grad, theirs.grad, msg=name)
