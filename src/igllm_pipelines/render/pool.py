"""A pool of Blender processes: Ray actors, see `igllm_pipelines.actors`.

Each renders one scene at a time. A scene that takes down three actors is named.
"""

from typing import Any

from igllm_pipelines.actors import ActorPool, PoolConfig, PoolError, Task
from igllm_pipelines.render.config import RenderingConfig

__all__ = ["RenderError", "RenderPool", "Task"]


class RenderError(PoolError):
    """A scene that cannot be rendered: says which, and what happened."""


class RenderPool(ActorPool):
    """A context in which actors render.

    Args:
        config: how many actors, how often they are replaced, where they run.
        worker: class of the actors, given `arguments`.
    """

    def __init__(
        self, config: RenderingConfig, worker: type, arguments: tuple[Any, ...]
    ) -> None:
        pool = PoolConfig(
            workers=config.num_workers,
            grows=config.workers is None,
            address=config.ray_address,
            kind="render worker",
            tasks_per_actor=config.scenes_per_worker,
            timeout_s=config.scene_timeout_s,
            error=RenderError,
        )
        super().__init__(pool, worker, arguments)
