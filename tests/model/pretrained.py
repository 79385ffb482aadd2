"""Small random language models with their tokenizers, written as folders.

The Llama has a BPE that puts a space before every text and falls back to bytes; the
Qwen has a byte-level BPE, a chat template and tied embeddings with rows to spare.
"""

import json
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, trainers
from tokenizers import pre_tokenizers as pre
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CORPUS = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "USER: ASSISTANT: What Python Blender code could be used to produce the scene?",
    "The scene can be produced with: ```python add(x=0.123, y=0.456) ```",
    "add(size='large', color='red', material='metal', shape='cube', loc=(+0.123, "
    "-1.500, +0.700), rotation=+0.456)",
    "small gray blue green brown purple cyan yellow rubber sphere cylinder matte shiny",
    *("東京", "αβγ", "жжж", "größe") * 3,
)
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
# as Qwen's: a word with what stands before it, one digit, marks with line ends
_WORDS = (
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level_tokenizer():
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre.Sequence(
        [
            pre.Split(Regex(_WORDS), "isolated"),
            pre.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=700,
            initial_alphabet=pre.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=["<|im_start|>"],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHATML
    return tokenizer


def byte_fallback_tokenizer():
    learning = Tokenizer(models.BPE(unk_token="<unk>"))
    learning.normalizer = normalizers.Replace(" ", "▁")
    learning.pre_tokenizer = pre.Sequence(
        [
            pre.Split("▁", "merged_with_next"),
            pre.Split(Regex(r"▁?\p{L}+|\p{N}"), "isolated"),
        ]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    learning.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=700, special_tokens=special, show_progress=False
        ),
    )
    learnt = json.loads(learning.to_str())["model"]
    bpe = Tokenizer(
        models.BPE(
            vocab=learnt["vocab"],
            merges=[tuple(merge) for merge in learnt["merges"]],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    bpe.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    bpe.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        clean_up_tokenization_spaces=False,
    )


def write_llama(folder: Path, seed: int = 0, **config) -> Path:
    """A Llama of 2 layers with a tokenizer that falls back to bytes."""
    tokenizer = byte_fallback_tokenizer()
    shape = {**SHAPE, "bos_token_id": 1, "eos_token_id": 2}
    return _write(
        LlamaForCausalLM,
        LlamaConfig(vocab_size=len(tokenizer), **{**shape, **config}),
        tokenizer,
        folder,
        seed,
    )


def write_qwen(folder: Path, seed: int = 0, **config) -> Path:
    """A Qwen of 2 layers with a byte-level tokenizer and a chat template."""
    tokenizer = byte_level_tokenizer()
    shape = {
        **SHAPE,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
    }
    return _write(
        Qwen2ForCausalLM,
        Qwen2Config(vocab_size=len(tokenizer) + 7, **{**shape, **config}),
        tokenizer,
        folder,
        seed,
    )


def _write(kind, config, tokenizer, folder, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


WRITERS = {"llama": write_llama, "qwen": write_qwen}
