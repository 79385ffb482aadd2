"""Checks that the scene configurations share."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from igllm_pipelines.domains import CLEVR_WORDS, DOMAINS
from igllm_pipelines.scene.scene import BACKDROPS


def settle(config: Any) -> None:
    """Turns whole numbers of float fields into floats and lists into tuples.

    Configurations that mean the same are then equal and look the same.
    """
    for field in fields(config):
        value = getattr(config, field.name)
        if field.type is float and isinstance(value, int):
            object.__setattr__(config, field.name, float(value))
        elif isinstance(value, list | tuple):
            members = (v if isinstance(v, str) else float(v) for v in value)
            object.__setattr__(config, field.name, tuple(members))


def check_numbers(kind: Any, given: Mapping[str, Any]) -> None:
    """Raises a ValueError where a number of the configuration `kind` is given as text.

    Python would compare it with numbers later, and name neither field nor value.
    """
    for field in fields(kind):
        value = given.get(field.name, 0)
        if field.type in (int, float) and not isinstance(value, int | float):
            raise ValueError(f"{field.name} must be a number, it is {value!r}")
    counts = given.get("num_scenes") or {}
    if not isinstance(counts, Mapping):
        raise ValueError(f"num_scenes must name splits, it is {counts!r}")
    for split, count in counts.items():
        if not isinstance(count, int):
            raise ValueError(f"num_scenes.{split} must be a number, it is {count!r}")


def check_splits(domain: str, num_scenes: Mapping[str, int]) -> None:
    """Raises a ValueError where a split is unknown or its number negative."""
    unknown = sorted(set(num_scenes) - set(DOMAINS[domain].splits))
    if unknown:
        known = ", ".join(DOMAINS[domain].splits)
        raise ValueError(f"num_scenes: unknown split {unknown[0]!r}, known: {known}")
    if any(count < 0 for count in num_scenes.values()):
        raise ValueError("num_scenes must not be negative")


def check_positive(config: Any, *names: str) -> None:
    """Raises a ValueError where a field is not positive and finite."""
    for name in names:
        if not 0 < getattr(config, name) < math.inf:
            raise ValueError(f"{name} must be positive, it is {getattr(config, name)}")


def check_not_negative(config: Any, *names: str) -> None:
    """Raises a ValueError where a field is negative or not finite."""
    for name in names:
        if not 0 <= getattr(config, name) < math.inf:
            raise ValueError(f"{name} must be finite and not negative")


def check_range(
    config: Any, name: str, low: float = -math.inf, high: float = math.inf
) -> None:
    """Raises a ValueError where a field is no pair inside [low, high], in order."""
    value = getattr(config, name)
    if len(value) != 2 or not low <= value[0] <= value[1] <= high:
        raise ValueError(
            f"{name} must be two numbers in order in [{low:g}, {high:g}], it is {value}"
        )


def check_studio(config: Any) -> None:
    """The checks of camera, lamps, backdrop and visibility."""
    check_positive(
        config, *("width_px", "height_px", "lens_mm", "sensor_width_mm", "diagonal_m")
    )
    check_not_negative(config, "lamp_jitter_m")
    if config.backdrop not in BACKDROPS:
        known = ", ".join(BACKDROPS)
        raise ValueError(f"backdrop must be of {known}, it is {config.backdrop!r}")
    if not 0 <= config.min_visible < 1:
        raise ValueError("min_visible must lie in [0, 1)")


def check_word(config: Any, name: str) -> None:
    """Raises a ValueError where a field is no word of CLEVR's."""
    words = CLEVR_WORDS[name]
    if getattr(config, name) not in words:
        raise ValueError(f"{name} must be of {', '.join(words)}")
