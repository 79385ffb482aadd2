import json
import subprocess
import sys
from dataclasses import replace

import decode
import numpy as np
import pytest
from decode import SIZES, Bench, Size, comparisons, difference, measure, table

from igllm_pipelines.model.config import ModelConfig
from tests.model.small import CONV

SMALL = Size(
    CONV,
    ModelConfig(hidden_dim=16, layers=1, heads=2, mlp_dim=16),
    answer_tokens=12,
    alone=2,
    told=40,
)


@pytest.fixture(scope="module")
def bench():
    return Bench(SMALL)


def test_ways_say_the_same(bench):
    assert difference(bench, 3) < 1e-5
    for size in decode.BATCHES:
        found = bench.ours(size, 5)
        assert [len(answer.ids) for answer in found] == [12] * 5


def test_difference_sees_other_text_and_numbers(bench, monkeypatch):
    def numbers(image):
        answer = theirs(image)
        return replace(answer, numbers=[value + 1 for value in answer.numbers])

    def text(image):
        answer = theirs(image)
        return replace(answer, ids=answer.ids[::-1] + [0])

    theirs = bench.theirs
    monkeypatch.setattr(bench, "theirs", numbers)
    assert difference(bench, 3) == pytest.approx(1, abs=1e-4)
    monkeypatch.setattr(bench, "theirs", text)
    with pytest.raises(SystemExit, match="text differs"):
        difference(bench, 3)


@pytest.mark.parametrize("masked", [False, True])
def test_told_models_say_the_programs(bench, masked):
    found = bench.told(range(3, 12), 4, masked=masked)
    expected = [program[:-1] for program in bench.programs[3:12]]
    assert [answer.ids for answer in found] == expected
    assert all(answer.finished for answer in found)
    assert len({len(ids) for ids in expected}) > 3


def test_runaways_are_cut_at_their_length(bench):
    found = bench.told(range(4), 4, runaway=True)
    assert [len(answer.ids) for answer in found][3] == 499
    assert max(len(answer.ids) for answer in found[:3]) < 150


def test_every_way_is_measured(bench):
    seconds = measure(bench, rounds=1)
    assert min(seconds.values()) > 0
    expected = {"baseline", "batch 1", "batch 32", "grammar", "runaway waiting"}
    assert expected <= set(seconds)


def test_records_compare_with_the_baseline():
    seconds = {"baseline": 8.0, "batch 1": 4.0, "batch 8": 2.0, "batch 32": 0.5}
    seconds |= {"free": 1.0, "grammar": 1.25, "waiting": 1.5}
    assert len(comparisons("tiny", seconds)) == 5
    seconds |= {"runaway": 2.0, "runaway waiting": 5.0}
    records = comparisons("tiny", seconds)
    assert [record.ratio for record in records] == [2, 4, 16, 0.8, 1.5, 2.5]
    assert [records[0].ours, records[0].baseline] == [0.25, 0.125]
    assert len(list(table(records))) == len(records) + 1


def test_sizes_are_those_of_the_issue():
    mid = SIZES["mid"]()
    assert (mid.model.layers, mid.model.hidden_dim, mid.vocab_size) == (8, 512, 32000)
    assert mid.answer_tokens == 64
    assert np.isclose((mid.tower.image_px / mid.tower.patch_px) ** 2, 300, rtol=0.05)


@pytest.mark.slow
def test_command_writes_records(tmp_path):
    file = tmp_path / "out.json"
    small = ["--sizes", "tiny", "--rounds", "1", "--checked", "1"]
    command = [sys.executable, decode.__file__, *small]
    subprocess.run([*command, "--json", str(file)], check=True, capture_output=True)
    assert len(json.loads(file.read_text())) == 6
