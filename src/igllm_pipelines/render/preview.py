"""Many small pictures of scenes that differ little, quickly: for a search.

A picture of 48 x 48 pixels and 4 samples takes 24 ms of a core, and differs from one
without noise by little once both are blurred; 2 samples take 15 ms and differ twenty
times more. Without denoising the same scene is the same to the bit, so that two scores
can be compared.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.dot import draw_dot
from igllm_pipelines.render.pool import RenderPool, Task
from igllm_pipelines.scene.scene import Scene

if TYPE_CHECKING:
    from igllm_pipelines.render.blender import BlenderRenderer

Pixels = NDArray[np.uint8]
PREVIEW = RenderingConfig(samples=4, denoise=False)


def draw_previews(renderer: "BlenderRenderer", scenes: Sequence[Scene]) -> list[Pixels]:
    """Pictures of scenes as large as their cameras say, inside a render worker."""
    with renderer.settings(PREVIEW):
        return [renderer.render(scene) for scene in scenes]


def previewer(
    source: Any, pool: RenderPool | None = None
) -> Callable[[Sequence[Scene]], list[Pixels]]:
    """What draws previews of scenes, in their order.

    Args:
        source: configuration of the domain.
        pool: open, of `BlenderWorker`; dots need none.

    Raises:
        ValueError: the domain needs a pool.
    """
    if source.picture == "dot":
        return lambda scenes: [_dot(scene, source) for scene in scenes]
    if pool is None:
        raise ValueError("previews of rendered scenes need a pool of Blender workers")
    return lambda scenes: _in_pool(pool, scenes)


def _in_pool(pool: RenderPool, scenes: Sequence[Scene]) -> list[Pixels]:
    """Each worker draws one part of the scenes."""
    size = max(1, -(-len(scenes) // pool.num_workers))
    parts = [scenes[start : start + size] for start in range(0, len(scenes), size)]
    tasks = [Task("previews of a search", "previews", (part,)) for part in parts]
    made = {id(task): pictures for task, pictures in pool.map(tasks)}
    return [picture for task in tasks for picture in made[id(task)]]


def _dot(scene: Scene, source: Any) -> Pixels:
    x, y, _ = scene.locations()[0]
    return draw_dot(x, y, side_px=source.width_px, radius=source.radius)
