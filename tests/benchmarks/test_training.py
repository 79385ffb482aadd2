import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from plain import TextSamples, forward

import train
from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.model.config import ModelConfig
from tests.model.small import CONV
from train import SIZES, Bench, Size, Way, comparisons, measure, table, ways

SMALL = Size(
    CONV,
    ModelConfig(hidden_dim=16, layers=1, heads=2, mlp_dim=16),
    ClevrConfig(),
    batch_size=4,
    steps=2,
)
PLAIN, *BETWEEN, OURS = ways()


@pytest.fixture
def bench(tmp_path):
    return Bench(SMALL, tmp_path)


def test_ways_lead_from_nothing_saved_to_everything():
    assert Way() == PLAIN
    assert all(vars(OURS).values())
    assert [sum(vars(way).values()) for way in ways()] == list(range(8))


def test_text_samples_are_the_stored_ones(bench):
    for row in range(8):
        mine, stored = (s.sequence(row, None) for s in (bench.texts, bench.stored))
        for one, other in zip(mine, stored, strict=True):
            assert np.array_equal(one, other)


def test_text_samples_draw_orders_and_synonyms(bench):
    drawn = {
        tuple(bench.texts.sequence(0, np.random.default_rng(seed)).ids)
        for seed in range(20)
    }
    assert len(drawn) > 10
    assert isinstance(bench.texts, TextSamples)


def test_all_ways_have_the_same_losses(bench):
    rows = bench.rows(PLAIN, 0)
    expected = bench.losses(PLAIN, bench.batch(PLAIN, rows, draw=False))
    for way in ways():
        found = bench.losses(way, bench.batch(way, rows, draw=False))
        # cached features are kept in half precision
        tolerance = {"rtol": 1e-2, "atol": 1e-3} if way.cached else {}
        torch.testing.assert_close(found, expected, **tolerance)


def test_plain_gradients_are_those_of_the_model(bench):
    batch = bench.batch(replace(PLAIN, maskless=True), [0, 1, 2], draw=False)
    masked = bench.batch(PLAIN, [0, 1, 2], draw=False)
    gradients = []
    for ce, numbers in (
        forward(bench.model, masked, everywhere=True, masked=True),
        bench.losses(OURS, batch),
    ):
        bench.model.zero_grad()
        (ce + numbers).backward()
        named = bench.model.named_parameters()
        gradients.append({name: p.grad for name, p in named if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    parts = {name.partition(".")[0] for name in gradients[0]}
    assert parts == {"projector", "language_model", "numeric_head"}
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6)


def test_plain_way_needs_a_numeric_head(bench):
    batch = bench.batch(PLAIN, [0], draw=False)
    bench.model.numeric_head = None
    with pytest.raises(ValueError, match="no numeric head"):
        forward(bench.model, batch, everywhere=True, masked=True)


def test_difference_sees_another_loss(bench):
    assert bench.difference() < train.AGREEMENT
    bench.features._open(train.SPLIT)  # what is cached is not what the tower says
    features, rows = bench.features._splits[train.SPLIT]
    bench.features._splits[train.SPLIT] = (np.full_like(features, 3), rows)
    assert bench.difference() > train.AGREEMENT


def test_ways_see_the_same_samples(bench):
    for way in ways():
        rows = [row for step in range(2) for row in bench.rows(way, step)]
        assert sorted(rows) == list(range(8))


def test_every_way_trains_and_is_measured(bench):
    before = bench.model.numeric_head.state_dict()
    before = {name: tensor.clone() for name, tensor in before.items()}
    seconds = measure(bench)
    assert list(seconds) == ways()
    assert all(value > 0 for value in seconds.values())
    after = bench.model.numeric_head.state_dict()
    assert any(not torch.equal(after[name], before[name]) for name in before)


def test_table_and_records_compare_with_the_plain_way():
    seconds = dict(zip(ways(), (8.0, 7.0, 6.0, 3.0, 3.0, 2.5, 2.2, 2.0), strict=True))
    lines = list(table("tiny", seconds))
    assert lines[1].split() == ["plain", "8.0000", "1.00x", "0%"]
    assert lines[4].split()[-3:] == ["3.0000", "2.67x", "50%"]
    first, *others = comparisons("tiny", seconds)
    assert (first.name, first.ratio) == ("training step, tiny", 4.0)
    assert [record.ratio for record in others][:3] == [8 / 7, 7 / 6, 2.0]


def test_sizes_are_those_of_the_issue():
    tiny, mid = (make() for make in SIZES.values())
    assert tiny.tower.frozen
    assert mid.tower.frozen
    assert (mid.model.layers, mid.model.hidden_dim, mid.vocab_size) == (8, 512, 32000)


@pytest.mark.slow
def test_command_writes_records(tmp_path):
    file = tmp_path / "out.json"
    small = ["--sizes", "tiny", "--steps", "1", "--rounds", "1"]
    command = [sys.executable, train.__file__, *small]
    subprocess.run([*command, "--json", str(file)], check=True, capture_output=True)
    assert len(json.loads(file.read_text())) == 8
