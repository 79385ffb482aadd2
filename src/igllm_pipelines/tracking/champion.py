"""Versions of a model, the best of which is the champion."""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

logger = logging.getLogger("igllm_pipelines")

ALIAS = "champion"
_THRESHOLD = "0.25"  # metres


class Score(NamedTuple):
    """The metric that decides, as MLflow knows it, and its better end."""

    metric: str
    higher_is_better: bool


def metric_name(split: str, metric: str) -> str:
    """Name of a metric in MLflow, which takes no ``@``.

    >>> metric_name("val_ID", "f1@0.25")
    'val_ID/f1_at_0.25m'
    """
    name, at, threshold = metric.partition("@")
    return f"{split}/{name}_at_{threshold}m" if at else f"{split}/{name}"


def score_of(domain: str) -> Score:
    """Strict F1 on the in-distribution test split, within 0.25 m.

    Where programs say no place in space there is no F1: the main error decides.
    """
    from igllm_pipelines.domains import DOMAINS
    from igllm_pipelines.metrics.evaluate import main_error

    split, syntax = DOMAINS[domain].splits[1], DOMAINS[domain].syntax
    if "loc" in syntax.attributes:
        return Score(metric_name(split, f"f1@{_THRESHOLD}"), True)
    return Score(metric_name(split, main_error(syntax)), False)


def register(model_uri: str, name: str, tags: Mapping[str, str]) -> None:
    """Makes a logged model a version of the registered model `name`."""
    import mlflow

    mlflow.register_model(model_uri, name, tags=dict(tags))


def elect(client: Any, name: str, run_id: str, score: Score) -> bool:
    """Makes the model of a run the champion if it is better than the present one.

    Args:
        client: of MLflow.
        name: of the registered model.
        run_id: of the model's training.
        score: what decides. A run without it, or without a model, is passed over.

    Returns:
        Whether it became the champion.
    """
    value = client.get_run(run_id).data.metrics.get(score.metric)
    versions = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    if value is None or not versions:
        return False
    version = max(versions, key=lambda found: int(found.version)).version
    for tag, said in (("score_metric", score.metric), ("score", repr(value))):
        client.set_model_version_tag(name, version, tag, said)
    best = _champion(client, name)
    if best is not None and not _better(value, best.tags.get("score"), score):
        return False
    client.set_registered_model_alias(name, ALIAS, version)
    logger.info(
        "%s version %s is the champion: %s %g", name, version, *score[:1], value
    )
    return True


def _champion(client: Any, name: str) -> Any:
    aliases = client.get_registered_model(name).aliases
    return client.get_model_version(name, aliases[ALIAS]) if ALIAS in aliases else None


def _better(value: float, best: str | None, score: Score) -> bool:
    if best is None:
        return True
    return value > float(best) if score.higher_is_better else value < float(best)
