"""One training loop for both networks; a killed training goes on where it stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from igllm_pipelines.train import checkpoints
from igllm_pipelines.train.optimizer import cosine_schedule
from igllm_pipelines.train.states import descend, take_steps

_FLOOR, _MAX_NORM, _WEIGHT_DECAY = 0.02, 5.0, 0.01


@dataclass(frozen=True)
class Course:
    """How long and how fast a network is trained.

    Attributes:
        steps: optimizer steps.
        learning_rate: peak rate of AdamW; a cosine leads it to 2 % of it.
        warm_up_steps: of linear warm-up before the cosine.
        seed: of what the losses draw from torch's global generator.
    """

    steps: int
    learning_rate: float
    warm_up_steps: int
    seed: int


def fit(
    network: nn.Module,
    loss_of: Callable[[int], Tensor],
    course: Course,
    folder: Path,
    *,
    digest: str,
    title: str,
) -> list[float]:
    """Trains `network` in place.

    Args:
        network: what is trained.
        loss_of: the loss of a step; what it draws from torch's global generator depends
            on the step alone.
        course: of the training.
        folder: of the checkpoints. The last one stays, so that the same command again
            trains nothing.
        digest: fingerprint of everything that the result depends on; checkpoints with
            another one are removed.
        title: of the progress bar.

    Returns:
        The loss of every step.

    Raises:
        ValueError: the loss became NaN or infinite.
        CheckpointError: a checkpoint cannot be written.
    """
    checkpoints.prepare(folder, digest)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=course.learning_rate, weight_decay=_WEIGHT_DECAY
    )
    schedule = cosine_schedule(optimizer, course.steps, course.warm_up_steps, _FLOOR)
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule}

    def take_step(step: int) -> float:
        with torch.random.fork_rng():
            seeds = np.random.SeedSequence((course.seed, step))
            torch.manual_seed(int(seeds.generate_state(1)[0]))
            loss = loss_of(step)
        if not loss.isfinite():
            raise ValueError(f"{title}: the loss is not finite at step {step + 1}")
        descend(loss, network, optimizer, schedule, max_norm=_MAX_NORM)
        return float(loss.detach())

    network.train()
    losses = take_steps(parts, take_step, course.steps, folder, title=title)
    network.eval()
    return losses
