"""Scenes as tables of tokens: each attribute is tokenized once.

A row is a scene. For each object and attribute it holds the token runs of every
spelling, once as they stand inside a line and once at its end, and the attribute's
numbers. `igllm_pipelines.tokens.sequences` puts runs together in any order, with any
synonym, and tokenizes nothing.

A line is cut behind the spaces between its attributes, or, for pretrained tokenizers,
before them; then the first attribute of a line has runs of its own, which hold the
line's beginning.

Number encodings: ``char`` writes a number's text, ``float`` one ``[NUM]`` token whose
value stands in ``numbers``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from igllm_pipelines.scene.program import (
    ADD,
    END,
    NUM,
    Attribute,
    ProgramSyntax,
    attributes_of,
    format_value,
    write_program,
)
from igllm_pipelines.scene.scene import Scene
from igllm_pipelines.tokens.program_tokenizer import ProgramTokenizer
from igllm_pipelines.tokens.tokenizer import SEPARATOR

ENCODINGS = ("char", "float")

# what stands before and behind an attribute's text in each of its runs
_BEHIND = {"middle": ("", SEPARATOR), "last": ("", END)}
_BEFORE = {
    "middle": (" ", ","),
    "last": (" ", END),
    "first": (ADD, ","),
    "only": (ADD, END),
}


def _schema(places: Iterable[str]) -> pa.Schema:
    ids = pa.list_(pa.int32())
    runs = [(place, pa.list_(ids)) for place in places]
    attribute = pa.struct([*runs, ("numbers", pa.list_(pa.float32()))])
    return pa.schema(
        [
            ("image", pa.string()),
            ("program", pa.string()),
            ("objects", pa.list_(pa.list_(attribute))),
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
    scenes: Sequence[Scene],
    syntax: ProgramSyntax,
    encoding: str,
    tokenizer: ProgramTokenizer,
) -> pa.Table:
    """Tokenizes scenes into a table: image, program, runs of each object's attributes.

    Args:
        scenes: each becomes a row; objects are put from left to right.
        syntax: of the domain.
        encoding: ``char`` or ``float``.
        tokenizer: of the domain.

    Raises:
        ValueError: `encoding` is unknown, or the tokenizer cannot write a program.
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
    around = _BEFORE if tokenizer.spaced else _BEHIND
    runs = _tokenize_once(spellings, around, tokenizer)
    rows = [
        {
            "image": scene.image_filename,
            "program": write_program(scene, syntax),
            "objects": [[_run(t, runs) for t in attrs] for attrs in objects],
        }
        for scene, objects in zip(scenes, texts, strict=True)
    ]
    table = pa.Table.from_pylist(rows, schema=_schema(around))
    return table.replace_schema_metadata({"igllm": _header(encoding, tokenizer)})


_Runs = dict[str, dict[str, list[int]]]


def _tokenize_once(
    texts: Iterable[str],
    around: Mapping[str, tuple[str, str]],
    tokenizer: ProgramTokenizer,
) -> _Runs:
    """Token ids of each text, by its place in a line."""
    unique = list(dict.fromkeys(texts))
    return {
        place: dict(
            zip(unique, tokenizer.encode([f"{a}{t}{b}" for t in unique]), strict=True)
        )
        for place, (a, b) in around.items()
    }


def _run(text: _AttributeText, runs: _Runs) -> dict[str, Any]:
    places = {place: [ids[s] for s in text.spellings] for place, ids in runs.items()}
    return {**places, "numbers": text.numbers}


def _header(encoding: str, tokenizer: ProgramTokenizer) -> str:
    """What is the same for every row, as JSON in the table's metadata."""
    return json.dumps(
        {
            "encoding": encoding,
            "prefix": tokenizer.prefix_ids,
            "question": tokenizer.question_ids,
            "answer_open": tokenizer.answer_open_ids,
            "answer_close": tokenizer.answer_close_ids,
            "add": [] if tokenizer.spaced else tokenizer.encode([ADD])[0],
            "spaced": tokenizer.spaced,
            "num": tokenizer.num_id,
            "pad": tokenizer.pad_id,
        }
    )
