"""A pretrained tokenizer that writes programs.

``[NUM]`` is by default a token that the tokenizer already has and that nothing in a
conversation about the domain uses, so that the language model's embeddings can stay as
they are.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from igllm_pipelines.scene.program import ADD, END, NUM, ProgramSyntax
from igllm_pipelines.tokens.conversation import ANSWER_CLOSE, Conversation, conversation
from igllm_pipelines.tokens.program_tokenizer import (
    ProgramTokenizer,
    TokenizerError,
    raw_ids,
)
from igllm_pipelines.tokens.tokenizer import pieces

# nothing; a line break; a mark that hardly any token begins with
_ANCHORS = ("", "\n", "\x02", "\ue002")


def pretrained_tokenizer(
    source: str, syntax: ProgramSyntax, *, num_token: str, template: str
) -> ProgramTokenizer:
    """The tokenizer of a pretrained language model.

    Args:
        source: transformers folder or hub name.
        syntax: of the domain: what its programs say.
        num_token: ``existing``, the rarest token that stands alone and is used by no
            program of the domain; ``added``, a new one.
        template: see `conversation.conversation`.

    Raises:
        TokenizerError: it cannot be loaded, or cannot write these programs.
        TemplateError: it has no chat template.
    """
    base = load_base(source)
    said = conversation(template, base)
    texts = list(dict.fromkeys(_texts(syntax, said)))
    anchor = _anchor(base, texts, source)
    if num_token == "added":
        num_id = _added(base)
    else:
        num_id = _existing(base, texts, anchor, source)
    end_id = _end(base, said, source)
    prefix = raw_ids(base, [said.before])[0] if said.before else []
    if template != "chat" and base.bos_token_id is not None:
        prefix = [base.bos_token_id, *prefix]
    return ProgramTokenizer(
        base,
        num_id=num_id,
        end_id=end_id,
        pad_id=end_id if base.pad_token_id is None else base.pad_token_id,
        prefix_ids=prefix,
        conversation=said,
        anchor=anchor,
        spaced=True,
    )


def load_base(source: str) -> Any:
    """A tokenizer of transformers.

    Raises:
        TokenizerError: it cannot be loaded, or is none of the fast ones.
    """
    from transformers import AutoTokenizer

    try:
        base = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # the hub, the disk, the parsers raise many kinds
        missing = find_spec("sentencepiece") is None
        raise TokenizerError(
            f"no tokenizer can be loaded from {source!r}: {error}; download the "
            "language model with its tokenizer and set model.pretrained to the folder"
            + ("; a tokenizer.model needs pip install sentencepiece" * missing)
        ) from error
    if not base.is_fast:
        raise TokenizerError(f"the tokenizer of {source!r} is not a fast one")
    return base


def _texts(syntax: ProgramSyntax, said: Conversation) -> Iterator[str]:
    """Every piece of text that a conversation can hold, as it is tokenized."""
    yield from (said.question, said.answer_open, ANSWER_CLOSE)
    for piece in pieces(syntax):
        yield piece
        yield f" {piece}"
    for name in syntax.attributes:
        yield from (f"{ADD}{name}=", f" {name}=", f" {name}=(", f"{name}=({END}")
    yield from (f".{digit}" for digit in range(10))


def _anchor(base: Any, texts: list[str], source: str) -> str:
    """The first anchor behind which every text comes back as it was."""
    lost = ""
    for anchor in _ANCHORS:
        start = raw_ids(base, [anchor])[0] if anchor else []
        lost = next((t for t in texts if not _comes_back(base, anchor, start, t)), "")
        if not lost:
            return anchor
    raise TokenizerError(
        f"the tokenizer of {source!r} does not give the text {lost!r} back; rename the "
        "word in the labels, or use another language model"
    )


def _comes_back(base: Any, anchor: str, start: list[int], text: str) -> bool:
    ids = raw_ids(base, [anchor + text])[0]
    # twice: what follows a text must not change it, nor be changed by it
    twice = [*ids, *ids[len(start) :]]
    said = base.decode(
        twice, skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    return ids[: len(start)] == start and bool(said == anchor + text + text)


def _added(base: Any) -> int:
    from tokenizers import AddedToken

    base.add_tokens([AddedToken(NUM, special=True, normalized=False)])
    num_id: int = base.convert_tokens_to_ids(NUM)
    return num_id


def _existing(base: Any, texts: list[str], anchor: str, source: str) -> int:
    """The last, rarest, ordinary token that no text uses and that stands alone."""
    start = raw_ids(base, [anchor])[0] if anchor else []
    everything = "".join(texts)
    used = {i for ids in raw_ids(base, [anchor + t for t in texts]) for i in ids}
    special = {*base.added_tokens_decoder, *base.all_special_ids}
    for num_id in sorted({*base.get_vocab().values()} - used - special, reverse=True):
        text = base.decode([*start, num_id], clean_up_tokenization_spaces=False)
        text = text[len(anchor) :]
        # a number or word that no text here holds is ASCII, or holds known letters
        foreign = not any(c.isascii() or c in everything for c in text)
        readable = text != "" and text.isprintable() and "\ufffd" not in text
        if not foreign or not readable:
            continue
        if raw_ids(base, [anchor + text])[0] == [*start, num_id]:
            return num_id
    raise TokenizerError(
        f"the tokenizer of {source!r} has no rare token to stand for numbers; set "
        "model.num_token to added"
    )


def _end(base: Any, said: Conversation, source: str) -> int:
    special = {i for i, t in base.added_tokens_decoder.items() if t.special}
    after = raw_ids(base, [said.after])[0] if said.after else []
    ends = [i for i in after if i in special | {*base.all_special_ids}]
    if ends:
        return int(ends[0])
    if base.eos_token_id is None:
        raise TokenizerError(f"the tokenizer of {source!r} has no end token")
    return int(base.eos_token_id)
