"""Plans: what is there, what the rest costs."""

from dataclasses import dataclass, replace

import pytest

from igllm_pipelines.shards.plan import describe, plan
from igllm_pipelines.shards.writer import write_raw
from tests.shards.samples import Job, Sample, sample


@dataclass
class Trial:
    samples: list[Sample]
    seconds: list[float]
    workers: int = 4


class Timed(Job):
    """Says that each scene takes two seconds."""

    def measure(self, num_scenes):
        samples = [sample("train", index, 0) for index in range(num_scenes)]
        return Trial(samples, [2.0] * num_scenes)


def test_plan_of_an_empty_folder(tmp_path):
    costs = plan(Timed({"train": 1800, "val_ID": 0}), tmp_path / "none" / "yet")
    assert costs.missing == 1800
    assert costs.shards == 600
    assert costs.core_hours == pytest.approx(1.0)
    assert costs.hours == pytest.approx(0.25)
    assert "1 core-hours, 0.25 hours (workers at the same time: 4)" in describe(costs)
    assert not (tmp_path / "none").exists()


def test_finished_shards_are_counted_off(tmp_path):
    write_raw(tmp_path, Job({"train": 7, "val_ID": 2}))
    costs = plan(Timed({"train": 9, "val_ID": 2}), tmp_path)
    assert costs.done == {"train": 7, "val_ID": 2}
    assert (costs.missing, costs.shards) == (2, 1)
    whole = plan(Timed({"train": 7, "val_ID": 2}), tmp_path)
    assert (whole.missing, whole.measured) == (0, 0)
    assert "every image is there" in describe(whole)


def test_images_of_other_parameters_do_not_count(tmp_path):
    write_raw(tmp_path, Job({"train": 7}))
    costs = plan(Timed({"train": 7}, fingerprint={"seed": 1}), tmp_path)
    assert costs.missing == 7
    assert costs.replaces
    assert "other parameters" in describe(costs)


def test_bytes_are_those_on_the_disk(tmp_path):
    costs = plan(Timed({"train": 30}, scenes_per_shard=30), tmp_path)
    write_raw(tmp_path, Job({"train": 30}, scenes_per_shard=30))
    files = (tmp_path / "images" / "train-00000.tar", tmp_path / "labels/train.json")
    written = sum(path.stat().st_size for path in files)
    assert costs.bytes == pytest.approx(written, rel=0.05)


def test_small_disk_is_named(tmp_path):
    costs = replace(plan(Timed({"train": 1000}), tmp_path), free_bytes=1_000_000)
    assert costs.lacking_bytes == costs.bytes - 1_000_000
    assert "DOES NOT SUFFICE" in describe(costs)
