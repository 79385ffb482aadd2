"""One training loop for both networks; a killed training goes on where it stopped."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from igllm_pipelines.train import checkpoints
from igllm_pipelines.train.optimizer import cosine_schedule
from igllm_pipelines.train.states import load_progress, save_progress

_FLOOR, _MAX_NORM, _WEIGHT_DECAY = 0.02, 5.0, 0.01
_SAVE_EVERY = 100


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
    losses = load_progress(parts, folder)
    network.train()
    bar = tqdm(
        range(len(losses), course.steps),
        initial=len(losses),
        total=course.steps,
        desc=title,
        unit="step",
        dynamic_ncols=True,
    )
    for step in bar:
        with torch.random.fork_rng():
            seeds = np.random.SeedSequence((course.seed, step))
            torch.manual_seed(int(seeds.generate_state(1)[0]))
            loss = loss_of(step)
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise ValueError(f"{title}: the loss is not finite at step {step + 1}")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), _MAX_NORM)
        optimizer.step()
        schedule.step()
        bar.set_postfix(loss=f"{losses[-1]:.3g}", refresh=False)
        if len(losses) % _SAVE_EVERY == 0 or len(losses) == course.steps:
            save_progress(parts, losses, folder)
    network.eval()
    return losses
