"""One Ray and one Blender for all tests of this folder."""

import pytest

from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.pool import RenderPool
from tests.render.workers import Probe, Unruly

FAST = RenderingConfig(workers=2, samples=1, scenes_per_shard=4)
SHAPES = ClevrConfig()


@pytest.fixture(scope="session")
def ray_session():
    with RenderPool(FAST, Unruly, ()):
        yield


@pytest.fixture(scope="session")
def blender(ray_session):
    """Calls a method of a `Probe` in a worker of its own."""
    import ray

    probe = ray.remote(num_cpus=0)(Probe).remote(FAST, "test", SHAPES)

    def call(method, *arguments):
        return ray.get(getattr(probe, method).remote(*arguments))

    yield call
    ray.kill(probe)
