"""Small random models whose answers end after more or fewer tokens."""

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from igllm_pipelines.infer.decode import Prompt, decode
from igllm_pipelines.infer.search import OneRow
from tests.model.small import NUM_ID, VOCABULARY, small_model

SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
LANGUAGE_MODELS = {
    "llama": (LlamaForCausalLM, LlamaConfig, {}),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config, {}),
    "mistral": (MistralForCausalLM, MistralConfig, {"sliding_window": None}),
    "window": (MistralForCausalLM, MistralConfig, {"sliding_window": 9}),
    "windows": (
        Qwen2ForCausalLM,
        Qwen2Config,
        {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1},
    ),
    # normalises queries and keys: the library's own forward pass is used
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, {"head_dim": 8}),
}
PROMPT = Prompt(torch.tensor([1]), torch.tensor([4, 5]))


def language_model(kind, seed=0):
    """One whose states differ from token to token."""
    torch.manual_seed(seed)
    make, config, options = LANGUAGE_MODELS[kind]
    model = make(config(**SHAPE, **options))
    for name, weight in model.named_parameters():
        if "norm" not in name:
            torch.nn.init.normal_(weight, std=0.4)
    return model.eval()


def random_model(kind="llama", seed=0, **heads):
    """A model that says ``[NUM]`` now and then."""
    model = small_model(seed=seed, **heads).eval()
    model.language_model = language_model(kind, seed)
    with torch.no_grad():
        # pictures differ more, so that answers do
        model.projector.linear.weight.mul_(5)
        model.language_model.lm_head.weight[NUM_ID] *= 2
        if model.numeric_head is not None and model.numeric_head.feedback is not None:
            model.numeric_head.feedback.outer.reset_parameters()
    return model


def pictures(count):
    shape = (count, 28, 28, 3)
    rng = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng)


def answers(
    model, vision, *, search=None, end_id=-1, max_tokens=24, batch_size=32, **options
):
    """Answers in the order of the images."""
    found = decode(
        model,
        PROMPT,
        lambda places: vision[places],
        len(vision),
        search=search or OneRow(end_id, max_tokens),
        batch_size=batch_size,
        **options,
    )
    return [answer for _, answer in sorted(found, key=lambda each: each[0])]


def ragged_end(model, vision, max_tokens=24):
    """The token at whose first place answers differ the most in length."""
    free = [answer.ids for answer in answers(model, vision, max_tokens=max_tokens)]
    others = [token for token in range(VOCABULARY) if token != NUM_ID]

    def lengths(token):
        return {ids.index(token) if token in ids else max_tokens for ids in free}

    return max(others, key=lambda token: len(lengths(token)))
