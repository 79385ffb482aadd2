"""Nodes of the rendering pipeline."""

from typing import Any


def plan_rendering(
    domain: str,
    scenes: dict[str, Any],
    rendering: dict[str, Any],
    ray: dict[str, Any],
    seed: int,
) -> Any:  # Kedro looks hints up: the types would be imported with the pipeline
    """A `RenderJob` of all scenes of the domain: saving it renders what is missing.

    Of an official download there is nothing to render: saving its `OfficialConfig`
    points to it.
    """
    from igllm_pipelines.domains.official import OfficialConfig
    from igllm_pipelines.domains.sources import scene_config
    from igllm_pipelines.render.config import rendering_config
    from igllm_pipelines.render.job import RenderJob

    source: Any = scene_config(domain, scenes)
    if isinstance(source, OfficialConfig):
        return source
    return RenderJob(source, rendering_config(rendering, ray), seed)
