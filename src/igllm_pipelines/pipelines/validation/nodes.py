"""Nodes that check a data set."""

from typing import Any


def validate(
    raw: Any, domain: str, scenes: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Checks all labels against the images and against what was to be drawn.

    Returns:
        The report, and its pages for a browser.
    """
    from igllm_pipelines.domains.sources import scene_config
    from igllm_pipelines.validation.report import validate_raw
    from igllm_pipelines.validation.suites import data_docs

    found = validate_raw(raw, scene_config(domain, scenes))
    return found.report, data_docs(found.context)


def describe(raw: Any, domain: str, validation: dict[str, Any]) -> dict[str, Any]:
    """The data card of valid data; stops the line otherwise."""
    from igllm_pipelines.validation.report import data_card, require_valid

    require_valid(validation, where=f"{domain} ({raw.root})")
    scenes = {split: raw.scenes(split) for split in validation["splits"]}
    return data_card(scenes, validation)
