import pytest
import torch
from torch import nn

from igllm_pipelines.train.config import TrainingConfig
from igllm_pipelines.train.optimizer import (
    cosine_factor,
    cosine_schedule,
    make_optimizer,
    parameter_groups,
)
from tests.model.small import CONV, small_model

CONFIG = TrainingConfig(
    learning_rate=1e-3,
    projector_lr=2e-3,
    head_lr=3e-3,
    tower_lr=4e-3,
    weight_decay=0.1,
)


def test_every_part_has_its_learning_rate():
    model = small_model()
    groups = parameter_groups(model, CONFIG)
    rate = {id(p): g["lr"] for g in groups for p in g["params"]}
    expected = {
        "language_model": 1e-3,
        "projector": 2e-3,
        "numeric_head": 3e-3,
        "tower": 4e-3,
    }
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert len(rate) == len(trained)
    for name, parameter in trained.items():
        assert rate[id(parameter)] == expected[name.partition(".")[0]]


def test_matrices_are_decayed_and_vectors_are_not():
    for group in parameter_groups(small_model(), CONFIG):
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)


def test_frozen_tower_is_in_no_group():
    names = {group["name"] for group in parameter_groups(small_model(CONV), CONFIG)}
    assert names == {"language_model", "projector", "numeric_head"}


def test_unknown_part_is_refused():
    model = small_model()
    model.extra = nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"extra\.weight"):
        parameter_groups(model, CONFIG)


def test_schedule_scales_all_groups_alike():
    optimizer = make_optimizer(parameter_groups(small_model(), CONFIG), beta2=0.98)
    schedule = cosine_schedule(optimizer, steps=10, warm_up_steps=2, floor=0.1)
    for step in range(10):
        factor = cosine_factor(step, steps=10, warm_up_steps=2, floor=0.1)
        for group in optimizer.param_groups:
            assert group["lr"] == pytest.approx(factor * group["initial_lr"])
        optimizer.step()
        schedule.step()


def test_optimizer_equals_adamw_by_hand():
    weight = nn.Parameter(torch.tensor([[1.0, -2.0]]))
    optimizer = make_optimizer([weight], beta2=0.98, weight_decay=0.1, lr=0.01)
    weight.grad = torch.tensor([[0.5, 0.5]])
    optimizer.step()
    # the first step of Adam goes by the gradient's sign
    expected = torch.tensor([[1.0, -2.0]]) * (1 - 0.01 * 0.1) - 0.01
    torch.testing.assert_close(weight.detach(), expected)
