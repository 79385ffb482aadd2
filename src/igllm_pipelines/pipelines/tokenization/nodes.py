"""Nodes that turn validated scenes into tokens."""

from typing import Any

from igllm_pipelines.domains import DOMAINS


def train_tokenizer(domain: str, data_card: dict[str, Any]) -> Any:
    """Trains the byte-level BPE of a domain whose data passed validation."""
    from igllm_pipelines.tokens.tokenizer import train_tokenizer as train

    del data_card  # an input only so that invalid data stop the line here
    return train(DOMAINS[domain].syntax)


def tokenize(raw: Any, tokenizer: Any, domain: str, encoding: str) -> dict[str, Any]:
    """Tokenizes the scenes of every split: ``{split: pyarrow.Table}``."""
    from igllm_pipelines.tokens.encoding import encode_scenes

    syntax = DOMAINS[domain].syntax
    return {
        split: encode_scenes(raw.scenes(split), syntax, encoding, tokenizer)
        for split in raw.splits()
    }
