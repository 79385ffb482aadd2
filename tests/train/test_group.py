import os
from dataclasses import replace

import pytest

from igllm_pipelines.train import group
from igllm_pipelines.train.config import TrainingConfig

CONFIG = TrainingConfig(batch_size=12, steps=200)


@pytest.fixture
def second_of_two(monkeypatch):
    for name, value in {"RANK": 1, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}.items():
        monkeypatch.setenv(name, str(value))


def test_alone():
    assert (group.rank(), group.size(), group.is_launched()) == (0, 1, False)
    assert group.micro_batch_size(CONFIG) == 12


def test_launched(second_of_two):
    assert (group.rank(), group.size()) == (1, 2)
    assert group.micro_batch_size(replace(CONFIG, gradient_accumulation=3)) == 2


def test_processes_of_a_machine_share_its_cores(second_of_two, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    assert group.threads(CONFIG) == 8
    assert group.threads(replace(CONFIG, num_threads=3)) == 3


def test_processes_of_deepspeed_share_the_cores_too(second_of_two, monkeypatch):
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    monkeypatch.setenv("LOCAL_SIZE", "4")
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    assert group.threads(CONFIG) == 4


def test_uneven_batch_is_refused(second_of_two):
    with pytest.raises(ValueError, match="2 processes x gradient_accumulation 1"):
        group.micro_batch_size(replace(CONFIG, batch_size=9))


def test_another_number_of_workers_is_refused(second_of_two):
    with pytest.raises(ValueError, match="workers is 4, but 2 processes"):
        group.micro_batch_size(replace(CONFIG, workers=4))


def test_batch_of_the_configuration_must_be_even():
    with pytest.raises(ValueError, match="multiple of workers x gradient_accumulation"):
        replace(CONFIG, workers=5)


def test_group_of_one_describes_itself_and_leaves_nothing():
    before = dict(os.environ)
    with group.group_of_one(True):
        assert (group.rank(), group.size(), group.is_launched()) == (0, 1, True)
    assert dict(os.environ) == before


def test_group_of_one_leaves_a_launchers_group(second_of_two):
    with group.group_of_one(True):
        assert (group.rank(), group.size()) == (1, 2)
