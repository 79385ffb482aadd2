"""How far a small training loop has come, as checkpoints that it goes on from."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from igllm_pipelines.train import checkpoints

logger = logging.getLogger(__name__)

_STATE = "state.pt"


def load_progress(parts: Mapping[str, Any], folder: Path) -> list[float]:
    """Loads the last whole checkpoint into modules, optimizer and schedule.

    Returns:
        The loss of every step so far, none without a checkpoint.

    Raises:
        CheckpointError: it holds other things than the state of these parts.
    """
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


def save_progress(
    parts: Mapping[str, Any], losses: Sequence[float], folder: Path
) -> None:
    """Writes a checkpoint and removes older ones.

    Raises:
        CheckpointError: it cannot be written.
    """
    partial, name = folder / checkpoints.PARTIAL, f"checkpoint-{len(losses)}"
    state = {part: value.state_dict() for part, value in parts.items()}
    with checkpoints.writing(folder, name):
        partial.mkdir(parents=True, exist_ok=True)
        torch.save({**state, "losses": list(losses)}, partial / _STATE)
        checkpoints.seal(partial, folder / name)
    checkpoints.keep_newest(folder, 1)
