"""The domains: which scenes each draws, its vocabulary and its splits."""

from collections.abc import Mapping
from dataclasses import dataclass

from igllm_pipelines.scene.program import ProgramSyntax

ENCODINGS = ("char", "float")


@dataclass(frozen=True)
class Domain:
    """What is fixed for a domain, whatever the scale.

    Attributes:
        name: as in ``kedro run --pipelines=NAME``.
        syntax: of its programs.
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
        ),
        splits=("train", "val_ID", "val_OOD"),
    ),
}
