"""The domains: which scenes each draws, its vocabulary and its splits."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from igllm_pipelines.scene.program import WORD_ATTRIBUTES, ProgramSyntax
from igllm_pipelines.scene.rotations import COMPONENTS
from igllm_pipelines.scene.scene import Scene

ENCODINGS = ("char", "float")


class Encoding(NamedTuple):
    """How programs become tokens, and what the model that learns them is called.

    ``numbers``: ``char`` writes a number's text, ``float`` one ``[NUM]`` token.
    ``rotation_rep``: the representation of rotations, None for the domain's own.
    ``variant``: a name of ``params:variants``, fields of the model or of its training
    that differ, None for the domain's own.
    ``seed``: of first weights and order, None for ``params:seed``.
    """

    numbers: str
    rotation_rep: str | None = None
    variant: str | None = None
    seed: int | None = None


_NAME = re.compile(
    rf"({'|'.join(ENCODINGS)})"
    rf"(?:_({'|'.join(sorted(COMPONENTS, key=len, reverse=True))})(?=_|$))?"
    r"(?:_(?!seed[0-9]+$)([a-z][a-z0-9]*(?:_[a-z0-9]+)*?))?"
    r"(?:_seed([0-9]+))?"
)


def parse_encoding(name: str) -> Encoding:
    """Reads ``<char|float>[_<representation>][_<variant>][_seed<n>]``.

    Raises:
        ValueError: the name has another form.

    >>> parse_encoding("float_euler_int").rotation_rep
    'euler_int'
    >>> parse_encoding("float_quat_feedback_seed2")
    Encoding(numbers='float', rotation_rep='quat', variant='feedback', seed=2)
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(
            f"unknown encoding {name!r}: {' or '.join(ENCODINGS)}, alone or with "
            f"_<representation> of {', '.join(COMPONENTS)}, _<variant> of "
            "params:variants and _seed<number>, in this order"
        )
    numbers, rep, variant, seed = match.groups()
    return Encoding(numbers, rep, variant, int(seed) if seed else None)


@dataclass(frozen=True)
class Domain:
    """What is fixed for a domain, whatever the scale.

    Attributes:
        name: as in ``kedro run --pipelines=NAME``.
        syntax: of its programs. An attribute whose words are not listed there takes
            them from the training labels, see `program_syntax`.
        splits: the training split first, then the in-distribution test split, then
            the out-of-distribution one.
    """

    name: str
    syntax: ProgramSyntax
    splits: tuple[str, ...]


CLEVR_WORDS: Mapping[str, tuple[str, ...]] = {
    "size": ("small", "large"),
    "color": ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"),
    "material": ("rubber", "metal"),
    "shape": ("cube", "sphere", "cylinder"),
}
CLEVR_SYNONYMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "size": {"large": ("big",), "small": ("tiny",)},
    "material": {"metal": ("metallic", "shiny"), "rubber": ("matte",)},
    "shape": {"sphere": ("ball",), "cube": ("block",)},
}

DOMAINS: Mapping[str, Domain] = {
    "2d": Domain(
        name="2d",
        syntax=ProgramSyntax(attributes=("x", "y"), number_format=".3f"),
        splits=("train", "val_ID", "random"),
    ),
    "clevr": Domain(
        name="clevr",
        syntax=ProgramSyntax(
            attributes=("size", "color", "material", "shape", "loc", "rotation"),
            words=CLEVR_WORDS,
            synonyms=CLEVR_SYNONYMS,
            symmetries={"cube": 4, "cylinder": 0, "sphere": 0},
        ),
        splits=("train", "val_ID", "val_OOD"),
    ),
    "so3": Domain(
        name="so3",
        syntax=ProgramSyntax(attributes=("rotation",), rotation_rep="6d"),
        splits=("train", "val_ID", "val_OOD"),
    ),
    "6dof": Domain(
        name="6dof",
        syntax=ProgramSyntax(
            attributes=("color", "material", "shape", "loc", "rotation"),
            rotation_rep="6d",
        ),
        splits=("train", "val_ID"),
    ),
    "shapenet": Domain(
        name="shapenet",
        syntax=ProgramSyntax(
            attributes=("color", "shape", "loc", "rotation"), rotation_rep="6d"
        ),
        splits=(
            *("train", "val_ID", "val_OOD_texture", "val_OOD_shape"),
            "val_OOD_camera",
        ),
    ),
}


def program_syntax(domain: str, scenes: Sequence[Scene]) -> ProgramSyntax:
    """The syntax of a domain's programs, with the words that its data have.

    Args:
        domain: its name.
        scenes: of the training split. An attribute that none of their objects has
            leaves the syntax; one without a fixed vocabulary gets theirs, sorted.
    """
    syntax = DOMAINS[domain].syntax
    objects = [obj for scene in scenes for obj in scene.objects]
    found = {
        name: tuple(sorted({getattr(obj, name) for obj in objects} - {None}))
        for name in syntax.attributes
        if name in WORD_ATTRIBUTES
    }
    return replace(
        syntax,
        attributes=tuple(n for n in syntax.attributes if found.get(n, True)),
        words={**{n: words for n, words in found.items() if words}, **syntax.words},
    )


def scored_splits(domain: str, available: Collection[str]) -> tuple[str, ...]:
    """The splits that a model is scored on, in-distribution first.

    Args:
        domain: its name.
        available: splits of the data; the official ones lack some of ours.

    >>> scored_splits("shapenet", ["train", "val_ID", "val_OOD_shape"])
    ('val_ID', 'val_OOD_shape')
    """
    return tuple(s for s in DOMAINS[domain].splits[1:] if s in available)


def encoding_syntax(syntax: ProgramSyntax, encoding: str) -> ProgramSyntax:
    """The syntax with the rotation representation that `encoding` asks for."""
    rep = parse_encoding(encoding).rotation_rep
    return replace(syntax, rotation_rep=rep) if rep else syntax
