"""How many threads torch gets, and that it gives them back."""

import os

import pytest
import torch

from igllm_pipelines.train.threads import torch_threads


@pytest.mark.parametrize(
    ("count", "asked", "expected"),
    [(3, "2", 3), (0, "2", 2), (0, "", None), (0, "many", None)],
)
def test_threads_for_a_while(count, asked, expected, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    before = torch.get_num_threads()
    with torch_threads(count):
        cores = len(os.sched_getaffinity(0))
        assert torch.get_num_threads() == (expected or cores)
    assert torch.get_num_threads() == before
