"""Variants of a model: fields of its configurations that differ from the domain's.

``params:variants`` holds them by name, ``{name: {part: {field: value}}}``. An encoding
chooses one by its name: ``float_feedback`` trains ``float`` with the variant
``feedback``.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from igllm_pipelines.domains import Encoding, parse_encoding

PARTS = ("tower", "model", "training", "inference")
Variants = Mapping[str, Mapping[str, Mapping[str, Any]]]
_Config = TypeVar("_Config")


def overrides(variants: Variants, encoding: str, part: str) -> dict[str, Any]:
    """Fields of a part that the encoding's variant sets; none without a variant.

    Args:
        variants: all, by name.
        encoding: see `parse_encoding`.
        part: ``tower``, ``model``, ``training`` or ``inference``.

    Raises:
        ValueError: there is no such variant, or it names an unknown part.

    >>> overrides({"wide": {"model": {"heads": 8}}}, "float_wide_seed1", "model")
    {'heads': 8}
    """
    name = parse_encoding(encoding).variant
    if name is None:
        return {}
    if name not in variants:
        raise ValueError(
            f"encoding {encoding!r}: there is no variant {name!r} among params:variants"
            f" ({', '.join(sorted(variants)) or 'none'})"
        )
    unknown = sorted(set(variants[name]) - set(PARTS))
    if unknown:
        raise ValueError(f"variant {name!r}: unknown part {unknown[0]!r}: {PARTS}")
    return dict(variants[name].get(part) or {})


def with_variant(
    config: _Config, variants: Variants, encoding: str, part: str
) -> _Config:
    """A configuration, a dataclass, with the fields that the variant sets.

    Raises:
        ValueError: see `overrides`; a field is unknown, or its value does not fit.
    """
    changed = overrides(variants, encoding, part)
    if not is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"{config!r} is no configuration")
    known = {field.name for field in fields(config)}
    if unknown := sorted(set(changed) - known):
        raise ValueError(
            f"encoding {encoding!r}: {type(config).__name__} has no field "
            f"{unknown[0]!r}; it has {', '.join(sorted(known))}"
        )
    return replace(config, **changed)


def seed_of(encoding: str, seed: int) -> int:
    """The encoding's own seed, or `seed`.

    >>> seed_of("float_seed3", 7), seed_of("float", 7)
    (3, 7)
    """
    own = parse_encoding(encoding).seed
    return seed if own is None else own


def trained_as(variants: Variants, encoding: str) -> str:
    """The encoding whose training this one shares; itself, unless it only decodes.

    >>> trained_as({"hot": {"inference": {"temperature": 1.0}}}, "char_hot_seed1")
    'char_seed1'
    """
    parsed = parse_encoding(encoding)
    for part in PARTS:
        if part != "inference" and overrides(variants, encoding, part):
            return encoding
    return encoding_name(parsed._replace(variant=None))


def base_of(encoding: str) -> str:
    """The encoding without variant and seed.

    >>> base_of("float_quat_feedback_seed2")
    'float_quat'
    """
    return encoding_name(parse_encoding(encoding)._replace(variant=None, seed=None))


def encoding_name(encoding: Encoding) -> str:
    """The name that `parse_encoding` reads back."""
    seed = None if encoding.seed is None else f"seed{encoding.seed}"
    parts = (encoding.numbers, encoding.rotation_rep, encoding.variant, seed)
    return "_".join(part for part in parts if part)
