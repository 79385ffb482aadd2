"""Parameters as MLflow compares them: flat, of the same names for char and float."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

# the group of a parameter's name, where it has another name for one training
_SHORT = {"domains": "domain", "encodings": "encoding"}
_PREFIX = "params:"
_MAX_LENGTH = 6000  # of a value, MLflow's limit


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings as ``a.b`` names.

    >>> list(flatten({"a": {"b": 1}, "c": 2}))
    [('a.b', 1), ('c', 2)]
    """
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def typed_fields(inputs: Mapping[str, Any]) -> dict[str, str]:
    """Fields of the typed parameters among a node's inputs, under their full names.

    kedro-mlflow logs such a parameter as one long text.
    """
    typed = {
        name.removeprefix(_PREFIX): fields
        for name, value in inputs.items()
        if name.startswith(_PREFIX) and (fields := _fields(value)) is not value
    }
    return _texts(flatten(typed))


def of_encoding(nodes: Iterable[Any], catalog: Any) -> dict[str, str]:
    """All parameters of the nodes of one domain and encoding, as they were used.

    ``params:training.2d`` becomes ``training.steps`` and so on, with the values that
    the encoding's variant sets.
    """
    names = {n for node in nodes for n in node.inputs if n.startswith(_PREFIX)}
    values = {_short(name): catalog.load(name) for name in sorted(names)}
    return _texts(flatten(_as_used(values)))


def _short(name: str) -> str:
    group = name.removeprefix(_PREFIX).partition(".")[0]
    return _SHORT.get(group, group)


def _as_used(values: dict[str, Any]) -> dict[str, Any]:
    from igllm_pipelines.domains.variants import PARTS, overrides, seed_of

    used = {name: _fields(value) for name, value in values.items()}
    variants = used.pop("variants", {})
    encoding = used.get("encoding")
    if encoding is None:
        return used
    for part in set(PARTS) & set(used):
        used[part] = {**used[part], **overrides(variants, encoding, part)}
    if "seed" in used:
        used["seed"] = seed_of(encoding, used["seed"])
    return used


def _fields(value: Any) -> Any:
    """The fields of a typed parameter; another one as it is."""
    typed = is_dataclass(value) and not isinstance(value, type)
    return asdict(value) if typed else value


def _texts(values: Iterable[tuple[str, Any]]) -> dict[str, str]:
    return {name: str(value)[:_MAX_LENGTH] for name, value in values}
