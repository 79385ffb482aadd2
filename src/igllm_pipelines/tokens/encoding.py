"""Scenes as tables of tokens: each attribute is tokenized once.

A row is a scene. For each object and attribute it holds the token runs of every
spelling, once as they stand inside a line and once at its end, and the attribute's
numbers. `igllm_pipelines.tokens.sequences` puts runs together in any order, with any
synonym, and tokenizes nothing.

Number encodings: ``char`` writes a number's text, ``float`` one ``[NUM]`` token whose
value stands in ``numbers``.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from igllm_pipelines.scene.program import (
    END,
    NUM,
    Attribute,
    ProgramSyntax,
    attributes_of,
    format_value,
    write_program,
)
from igllm_pipelines.scene.scene import Scene
from igllm_pipelines.tokens.conversation import (
    ANSWER_CLOSE,
    ANSWER_OPEN,
    BOS,
    EOS,
    PAD,
    QUESTION,
)
from igllm_pipelines.tokens.tokenizer import SEPARATOR

ENCODINGS = ("char", "float")

_IDS = pa.list_(pa.int32())
_ATTRIBUTE = pa.struct(
    [
        ("middle", pa.list_(_IDS)),
        ("last", pa.list_(_IDS)),
        ("numbers", pa.list_(pa.float32())),
    ]
)
SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("program", pa.string()),
        ("objects", pa.list_(pa.list_(_ATTRIBUTE))),
    ]
)


class _AttributeText(NamedTuple):
    spellings: tuple[str, ...]
    numbers: tuple[float, ...]


def _text(attr: Attribute, syntax: ProgramSyntax, encoding: str) -> _AttributeText:
    if isinstance(attr.value, str):
        words = syntax.spellings(attr.name, attr.value)
        return _AttributeText(tuple(f"{attr.name}='{word}'" for word in words), ())
    if encoding == "char":
        value = format_value(attr.value, syntax)
        return _AttributeText((f"{attr.name}={value}",), ())
    marks = ", ".join([NUM] * len(attr.value))
    value = marks if len(attr.value) == 1 else f"({marks})"
    # the target is the number as a program states it, so that both encodings agree
    numbers = tuple(float(syntax.format_number(v)) for v in attr.value)
    return _AttributeText((f"{attr.name}={value}",), numbers)


def encode_scenes(
    scenes: Sequence[Scene], syntax: ProgramSyntax, encoding: str, tokenizer: Any
) -> pa.Table:
    """Tokenizes scenes into a table of `SCHEMA`.

    Args:
        scenes: each becomes a row; objects are put from left to right.
        syntax: of the domain.
        encoding: ``char`` or ``float``.
        tokenizer: a transformers tokenizer that has ``[NUM]`` as one token.

    Raises:
        ValueError: `encoding` is unknown.
    """
    if encoding not in ENCODINGS:
        raise ValueError(f"unknown encoding {encoding!r}, known: {ENCODINGS}")
    texts = [
        [
            [_text(attr, syntax, encoding) for attr in attributes_of(obj, syntax)]
            for obj in scene.left_to_right().objects
        ]
        for scene in scenes
    ]
    spellings = (
        s for rows in texts for attrs in rows for text in attrs for s in text.spellings
    )
    ids = _tokenize_once(spellings, tokenizer)
    rows = [
        {
            "image": scene.image_filename,
            "program": write_program(scene, syntax),
            "objects": [[_run(t, ids) for t in attrs] for attrs in objects],
        }
        for scene, objects in zip(scenes, texts, strict=True)
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    return table.replace_schema_metadata({"igllm": _header(encoding, tokenizer)})


def _tokenize_once(texts: Iterable[str], tokenizer: Any) -> dict[str, list[int]]:
    """Token ids of each text with a separator and with a line's end behind it."""
    unique = dict.fromkeys(texts)
    ended = [text + end for text in unique for end in (SEPARATOR, END)]
    if not ended:
        return {}
    return dict(zip(ended, _ids(tokenizer, ended), strict=True))


def _ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return ids


def _run(text: _AttributeText, ids: dict[str, list[int]]) -> dict[str, Any]:
    return {
        "middle": [ids[s + SEPARATOR] for s in text.spellings],
        "last": [ids[s + END] for s in text.spellings],
        "numbers": text.numbers,
    }


def _header(encoding: str, tokenizer: Any) -> str:
    """What is the same for every row, as JSON in the table's metadata."""
    add, question, answer_open, answer_close = _ids(
        tokenizer, ["add(", QUESTION, ANSWER_OPEN, ANSWER_CLOSE]
    )
    special = {name: tokenizer.convert_tokens_to_ids(t) for name, t in _SPECIAL.items()}
    return json.dumps(
        {
            "encoding": encoding,
            "prefix": [special["bos"]],
            "question": question,
            "answer_open": answer_open,
            "answer_close": [*answer_close, special["eos"]],
            "add": add,
            "num": special["num"],
            "pad": special["pad"],
        }
    )


_SPECIAL = {"bos": BOS, "eos": EOS, "pad": PAD, "num": NUM}
