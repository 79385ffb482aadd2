"""Parameter groups and the learning rate's course."""

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from igllm_pipelines.train.config import TrainingConfig

_PARTS = {
    "language_model": "learning_rate",
    "projector": "projector_lr",
    "numeric_head": "head_lr",
    "tower": "tower_lr",
}


def parameter_groups(
    model: nn.Module, config: "TrainingConfig"
) -> list[dict[str, Any]]:
    """AdamW groups: each part of the model has its learning rate.

    Vectors (norms, biases) are not decayed; frozen parameters are in no group.

    Raises:
        ValueError: a trainable parameter belongs to no known part.
    """
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        part = name.partition(".")[0]
        if part not in _PARTS:
            raise ValueError(f"no learning rate for parameter {name!r}")
        groups.setdefault((part, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "name": part,
            "params": parameters,
            "lr": getattr(config, _PARTS[part]),
            "weight_decay": config.weight_decay if decayed else 0.0,
        }
        for (part, decayed), parameters in groups.items()
    ]


def cosine_factor(step: int, *, steps: int, warm_up_steps: int, floor: float) -> float:
    """Factor on the peak learning rate: linear warm-up, cosine down to `floor`.

    >>> [round(cosine_factor(s, steps=20, warm_up_steps=10, floor=0.1), 3)
    ...  for s in (0, 9, 10, 15, 20)]
    [0.1, 1.0, 1.0, 0.55, 0.1]
    """
    if step < warm_up_steps:
        return (step + 1) / warm_up_steps
    progress = min(1.0, (step - warm_up_steps) / max(1, steps - warm_up_steps))
    return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2


def make_optimizer(
    groups: Any, *, beta2: float, weight_decay: float = 0.0, lr: float = 1e-3
) -> torch.optim.AdamW:
    """AdamW over parameters or groups; one fused kernel a step."""
    return torch.optim.AdamW(
        groups, lr=lr, betas=(0.9, beta2), weight_decay=weight_decay, fused=True
    )


def cosine_schedule(
    optimizer: torch.optim.Optimizer, steps: int, warm_up_steps: int, floor: float
) -> torch.optim.lr_scheduler.LambdaLR:
    """The course of `cosine_factor` on every group."""
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: cosine_factor(
            step, steps=steps, warm_up_steps=warm_up_steps, floor=floor
        ),
    )
