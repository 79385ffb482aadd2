"""Whole rendering jobs: same labels each time, whatever was killed in between."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

from igllm_pipelines.assets import AssetsConfig
from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig
from igllm_pipelines.domains.official import OfficialDots
from igllm_pipelines.domains.shapenet import ShapeNetConfig
from igllm_pipelines.render.job import RenderJob, render_pictures
from igllm_pipelines.shards.journal import Journal
from igllm_pipelines.shards.raw import RawData
from igllm_pipelines.shards.writer import write_raw
from tests.render.conftest import FAST

SCENES = ClevrConfig(
    num_scenes={"train": 10, "val_ID": 2, "val_OOD": 2}, width_px=64, height_px=64
)
JOB = RenderJob(SCENES, FAST, seed=3)
RUN = """
import signal, sys
from pathlib import Path
# or it ignores Ctrl-C where a shell runs the tests in the background
signal.signal(signal.SIGINT, signal.default_int_handler)
from igllm_pipelines.shards.writer import write_raw
from tests.render.test_job import JOB, SlowJob
write_raw(Path(sys.argv[1]), SlowJob(JOB))
"""

CLUSTER_RUN = """
import sys
from pathlib import Path
from tests.render.test_job import render_on_a_cluster_that_loses_a_machine
render_on_a_cluster_that_loses_a_machine(Path(sys.argv[1]))
"""


class CountingJob:
    """A job that remembers how many scenes it was asked for."""

    def __init__(self, job):
        self._job, self.asked = job, None

    def __getattr__(self, name):
        return getattr(self._job, name)

    def run(self, missing, count):
        self.asked = count
        return self._job.run(missing, count)


class SlowJob(CountingJob):
    """A job that gives its scenes out slowly, so that it can be killed in between."""

    def run(self, missing, count):
        for scene in self._job.run(missing, count):
            yield scene
            time.sleep(0.3)


def labels(root):
    return {path.name: path.read_bytes() for path in (root / "labels").iterdir()}


def largest_difference(a, b):
    a, b = RawData(a), RawData(b)
    return max(
        np.abs(a.image(s, name).astype(int) - b.image(s, name)).max()
        for s in a.splits()
        for name in a.filenames(s)
    )


def renderers(pid):
    """The render workers that descend from a process."""
    children = psutil.Process(pid).children(recursive=True)
    return [p for p in children if "ray::BlenderWorker" in " ".join(p.cmdline())]


def lives(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def unbroken(ray_session, tmp_path_factory):
    root = tmp_path_factory.mktemp("unbroken")
    write_raw(root, JOB)
    return root


@pytest.mark.blender
def test_scenes_are_whole(unbroken):
    raw = RawData(unbroken)
    assert raw.splits() == ["train", "val_ID", "val_OOD"]
    for split in raw.splits():
        for index, scene in enumerate(raw.scenes(split)):
            assert scene.image_filename == f"CLEVR_{split}_{index:06d}.png"
            assert scene.engine.startswith("bpy 5.")
            assert scene.seed[:3:2] == (3, index)
            limit = SCENES.min_visible_pixels
            assert all(obj.visible_pixels >= limit for obj in scene.objects)
            image = raw.image(split, scene.image_filename)
            assert image.shape == (64, 64, 3)
            assert 20 < image.mean() < 200


@pytest.mark.blender
def test_stored_scene_renders_the_same_picture(unbroken):
    raw = RawData(unbroken)
    scenes = raw.scenes("val_OOD")
    pictures = render_pictures(scenes, SCENES, FAST)
    for scene, picture in zip(scenes, pictures, strict=True):
        stored = raw.image("val_OOD", scene.image_filename)
        assert np.abs(picture.astype(int) - stored).max() <= 2


@pytest.mark.blender
def test_finished_job_starts_no_blender(unbroken, monkeypatch):
    monkeypatch.setattr("igllm_pipelines.render.job.RenderPool", None)
    before = labels(unbroken)
    write_raw(unbroken, JOB)
    assert labels(unbroken) == before


@pytest.mark.blender
def test_killed_worker_changes_nothing(unbroken, tmp_path, caplog):
    class Killer(CountingJob):
        def run(self, missing, count):
            for number, scene in enumerate(self._job.run(missing, count)):
                if number == 2:
                    renderers(os.getpid())[0].kill()
                yield scene

    write_raw(tmp_path, Killer(JOB))
    assert labels(tmp_path) == labels(unbroken)
    assert largest_difference(tmp_path, unbroken) <= 2
    assert "its process died" in caplog.text


def start(root):
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(root)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.mark.blender
def test_killed_run_goes_on_where_it_was(unbroken, tmp_path):
    shard = tmp_path / "images" / "train-00000.tar"
    run = start(tmp_path)
    try:
        wait_for(shard.exists)
        workers = renderers(run.pid)
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    sealed = shard.read_bytes()
    journals = (tmp_path / "images" / ".staging").glob("*.journal")
    finished = {key for path in journals for key in Journal(path, ("json", "png")).keys}
    assert not (tmp_path / "labels").exists()
    assert len(workers) == 2
    wait_for(lambda: not any(map(lives, workers)))

    again = CountingJob(JOB)
    write_raw(tmp_path, again)
    assert again.asked <= 14 - 4 - len(finished)
    assert shard.read_bytes() == sealed
    assert labels(tmp_path) == labels(unbroken)
    assert largest_difference(tmp_path, unbroken) <= 2


@pytest.mark.blender
def test_interrupted_run_ends_soon_and_leaves_no_process(tmp_path):
    run = start(tmp_path)
    try:
        wait_for(lambda: list((tmp_path / "images").glob(".staging/*")))
        everyone = psutil.Process(run.pid).children(recursive=True)
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(timeout=20) != 0
    finally:
        run.kill()
    assert not any(map(lives, everyone))


def render_on_a_cluster_that_loses_a_machine(root):
    """Two Ray nodes of one CPU each; one dies when both render."""
    # a death is known in 5 s
    os.environ["RAY_health_check_period_ms"] = "1000"  # noqa: SIM112
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    doomed = cluster.add_node(num_cpus=1).all_processes["raylet"][0].process.pid

    class Killer(CountingJob):
        def run(self, missing, count):
            for number, scene in enumerate(self._job.run(missing, count)):
                if number == 3:
                    wait_for(lambda: renderers(doomed))
                if number == 6:
                    raylet = psutil.Process(doomed)
                    for process in [raylet, *raylet.children(recursive=True)]:
                        process.kill()
                print("made", scene.split, scene.index)  # noqa: T201
                yield scene
                time.sleep(0.3)

    rendering = replace(FAST, workers=None, ray_address=cluster.address)
    write_raw(root, Killer(replace(JOB, rendering=rendering)))
    cluster.shutdown()


@pytest.mark.slow
@pytest.mark.blender
def test_lost_machine_of_a_cluster_changes_nothing(unbroken, tmp_path):
    command = [sys.executable, "-c", CLUSTER_RUN, str(tmp_path)]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    made = [line for line in run.stdout.splitlines() if line.startswith("made ")]
    assert len(made) == len(set(made)) == 14
    assert "trying again with a new worker" in run.stderr
    assert labels(tmp_path) == labels(unbroken)
    assert largest_difference(tmp_path, unbroken) <= 2


def test_dots_are_the_same_each_time(tmp_path):
    job = RenderJob(DotsConfig(num_scenes={"train": 30, "random": 5}), FAST, seed=3)
    for name in ("a", "b"):
        write_raw(tmp_path / name, job)
    assert labels(tmp_path / "a") == labels(tmp_path / "b")
    assert largest_difference(tmp_path / "a", tmp_path / "b") == 0
    raw = RawData(tmp_path / "a")
    scenes = raw.scenes("random")
    pictures = render_pictures(scenes, job.source, FAST)
    stored = raw.batch("random", [scene.image_filename for scene in scenes])
    assert (np.stack(pictures) == stored).all()


@pytest.mark.blender
def test_measured_scenes_are_those_of_the_job(unbroken):
    trial = JOB.measure(3)
    assert len(trial.samples) == len(trial.seconds) >= 3
    assert all(0 < seconds < 10 for seconds in trial.seconds)
    assert trial.workers == 2
    record = json.loads(trial.samples[0].record)
    scenes = json.loads((unbroken / "labels" / "train.json").read_text())["scenes"]
    assert record in scenes


def test_measured_dots():
    trial = RenderJob(DotsConfig(), FAST, seed=3).measure(5)
    assert [sample.index for sample in trial.samples] == [0, 1, 2, 3, 4]
    assert 0 < trial.seconds[0] < 1
    assert trial.workers == 1


def test_measured_download_of_few_dots():
    dots = OfficialDots({"train": np.full((2, 2), 0.5), "random": np.full((1, 2), 0.5)})
    trial = RenderJob(dots, FAST, seed=3).measure(8)
    assert [sample.index for sample in trial.samples] == [0, 1]
    assert len(trial.seconds) == 2


@pytest.mark.slow
@pytest.mark.blender
def test_workers_of_one_scene_each_are_measured_with_their_start():
    rendering = replace(FAST, workers=1, scenes_per_worker=1)
    trial = replace(JOB, rendering=rendering).measure(1)
    assert len(trial.samples) == len(trial.seconds) == 2


@pytest.mark.parametrize("seed", [-1, "abc", None])
def test_seed_that_is_none_is_named(seed):
    with pytest.raises(ValueError, match=f"seed must be .* it is {seed!r}"):
        RenderJob(DotsConfig(), FAST, seed)


@pytest.mark.parametrize(
    "other",
    [
        replace(JOB, seed=4),
        replace(JOB, rendering=replace(FAST, samples=2)),
        replace(JOB, rendering=replace(FAST, denoise=False)),
        replace(JOB, source=replace(SCENES, lens_mm=35)),
        replace(JOB, source=DotsConfig()),
        replace(JOB, source=ShapeNetConfig()),
    ],
)
def test_what_changes_pictures_changes_the_fingerprint(other):
    assert other.fingerprint != JOB.fingerprint


def test_other_assets_change_the_fingerprint():
    jobs = [
        replace(JOB, source=ShapeNetConfig(assets=AssetsConfig(per_category=count)))
        for count in (3, 4)
    ]
    assert jobs[0].fingerprint != jobs[1].fingerprint


@pytest.mark.parametrize(
    "same",
    [
        replace(JOB, rendering=replace(FAST, workers=1, scenes_per_worker=3)),
        replace(JOB, source=replace(SCENES, num_scenes={
            "train": 1, "val_ID": 1, "val_OOD": 1
        })),
    ],
)  # fmt: skip
def test_what_changes_no_picture_keeps_the_fingerprint(same):
    assert same.fingerprint == JOB.fingerprint
