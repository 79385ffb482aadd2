"""Rendering: from scene parameters to images and labels."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.pipelines.rendering.nodes import plan_rendering


def create_pipeline() -> Pipeline:
    """``params:domain scenes rendering ray seed -> raw``."""
    names = ("domain", "scenes", "rendering", "ray", "seed")
    return Pipeline(
        [
            Node(
                plan_rendering,
                [f"params:{name}" for name in names],
                "raw",
                name="render",
            )
        ]
    )
