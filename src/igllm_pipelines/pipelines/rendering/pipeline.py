"""Rendering: from scene parameters to images and labels."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.pipelines.rendering.nodes import plan_rendering


def create_pipeline() -> Pipeline:
    """``params:domain scenes rendering seed -> raw``."""
    return Pipeline(
        [
            Node(
                plan_rendering,
                ["params:domain", "params:scenes", "params:rendering", "params:seed"],
                "raw",
                name="render",
            )
        ]
    )
