"""One Ray and one Blender for all tests of this folder."""

from contextlib import contextmanager

import pytest

from igllm_pipelines.assets import AssetsConfig, load_catalog
from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.pool import RenderPool
from tests.render.gallery import Gallery, Keeper, write_gallery
from tests.render.workers import Probe, Unruly

FAST = RenderingConfig(workers=2, samples=1, scenes_per_shard=4)
SHAPES = ClevrConfig()


@pytest.fixture(scope="session")
def ray_session():
    with RenderPool(FAST, Unruly, ()):
        yield


@contextmanager
def worker(kind, source):
    """A worker of its own: calls its methods by name."""
    import ray

    actor = ray.remote(num_cpus=0)(kind).remote(FAST, "test", source)
    yield lambda method, *values: ray.get(getattr(actor, method).remote(*values))
    ray.kill(actor)


@pytest.fixture(scope="session")
def blender(ray_session):
    """A `Probe` that knows CLEVR's shapes alone."""
    with worker(Probe, SHAPES) as call:
        yield call


@pytest.fixture(scope="session")
def furniture(ray_session):
    """Procedural assets, and a `Keeper` that shows them."""
    config = AssetsConfig(
        categories=("sofa", "chair", "table", "airplane"), per_category=3
    )
    with worker(Keeper, Gallery(config)) as call:
        yield load_catalog(config), call


@pytest.fixture(scope="session")
def gallery(ray_session, tmp_path_factory):
    """Assets of files, and a `Keeper` that shows them."""
    root = tmp_path_factory.mktemp("gallery")
    write_gallery(root)
    config = AssetsConfig(root=str(root), categories=("chair",), held_out=0)
    with worker(Keeper, Gallery(config)) as call:
        yield load_catalog(config), call
