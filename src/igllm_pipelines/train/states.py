"""A small training loop, and the checkpoints that it goes on from."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from igllm_pipelines.train import checkpoints

logger = logging.getLogger(__name__)

_STATE = "state.pt"
_SAVE_EVERY = 100


def take_steps(
    parts: Mapping[str, Any],
    take_step: Callable[[int], float],
    num_steps: int,
    folder: Path,
    *,
    title: str,
) -> list[float]:
    """Takes the steps that are missing and stores now and then how far it has come.

    Args:
        parts: modules, optimizer and schedule: what the steps change.
        take_step: takes the step of this index, from 0; returns its loss.
        num_steps: in all.
        folder: of the checkpoints. The last one stays, so that the same command again
            trains nothing.
        title: of the progress bar.

    Returns:
        The loss of every step.

    Raises:
        CheckpointError: a checkpoint cannot be written, or holds something else.
    """
    losses = _load_progress(parts, folder)
    bar = tqdm(
        range(len(losses), num_steps),
        initial=len(losses),
        total=num_steps,
        desc=title,
        unit="step",
        dynamic_ncols=True,
    )
    for step in bar:
        losses.append(take_step(step))
        bar.set_postfix(loss=f"{losses[-1]:.3g}", refresh=False)
        if len(losses) % _SAVE_EVERY == 0 or len(losses) == num_steps:
            _save_progress(parts, losses, folder)
    return losses


def descend(
    loss: Tensor,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: Any,
    *,
    max_norm: float,
) -> None:
    """One step down the gradient of `loss`, which is clipped at `max_norm`."""
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), max_norm)
    optimizer.step()
    schedule.step()


def _load_progress(parts: Mapping[str, Any], folder: Path) -> list[float]:
    """Loads the last whole checkpoint; returns the loss of every step so far."""
    found = checkpoints.last_whole(folder)
    if found is None:
        return []
    logger.info("training goes on from %s", found)
    with checkpoints.reading(found):
        state = torch.load(found / _STATE, weights_only=True, map_location="cpu")
        for name, part in parts.items():
            part.load_state_dict(state[name])
        losses: list[float] = state["losses"]
    return losses


def _save_progress(
    parts: Mapping[str, Any], losses: Sequence[float], folder: Path
) -> None:
    """Writes a checkpoint and removes older ones."""
    partial, name = folder / checkpoints.PARTIAL, f"checkpoint-{len(losses)}"
    state = {part: value.state_dict() for part, value in parts.items()}
    with checkpoints.writing(folder, name):
        partial.mkdir(parents=True, exist_ok=True)
        torch.save({**state, "losses": list(losses)}, partial / _STATE)
        checkpoints.seal(partial, folder / name)
    checkpoints.keep_newest(folder, 1)
