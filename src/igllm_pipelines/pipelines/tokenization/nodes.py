"""Nodes that turn validated scenes into tokens."""

from typing import Any

from igllm_pipelines.domains import (
    DOMAINS,
    encoding_syntax,
    parse_encoding,
    program_syntax,
)
from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.scene import ProgramSyntax


def describe_programs(
    raw: Any, domain: str, data_card: dict[str, Any]
) -> ProgramSyntax:
    """The syntax of a domain's programs, with the words of the training scenes."""
    del data_card  # an input only so that invalid data stop the line here
    return program_syntax(domain, raw.scenes(DOMAINS[domain].splits[0]))


def make_tokenizer(syntax: ProgramSyntax, model: ModelConfig) -> Any:
    """The tokenizer of a domain; it serves every encoding.

    It is the language model's own, or a BPE that is trained on the domain's programs.
    """
    if model.pretrained is None:
        from igllm_pipelines.tokens.tokenizer import train_tokenizer

        return train_tokenizer(syntax)
    from igllm_pipelines.tokens.pretrained import pretrained_tokenizer

    return pretrained_tokenizer(
        model.pretrained, syntax, num_token=model.num_token, template=model.template
    )


def tokenize(
    raw: Any, tokenizer: Any, syntax: ProgramSyntax, encoding: str
) -> dict[str, Any]:
    """Tokenizes the scenes of every split: ``{split: pyarrow.Table}``."""
    from igllm_pipelines.tokens.encoding import encode_scenes

    numbers = parse_encoding(encoding).numbers
    written = encoding_syntax(syntax, encoding)
    return {
        split: encode_scenes(raw.scenes(split), written, numbers, tokenizer)
        for split in raw.splits()
    }
