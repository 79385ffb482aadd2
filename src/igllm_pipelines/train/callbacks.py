"""What happens beside the steps of a training: the progress bar and the scores."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from tqdm import tqdm
from transformers import (
    TrainerCallback,
    TrainerControl,
    TrainerState,
)

Validate = Callable[[nn.Module], Mapping[str, float]]


class Progress(TrainerCallback):
    """One bar with steps per second and the last losses."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Any = None

    def on_train_begin(
        self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Opens the bar where the run starts or goes on."""
        self._bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc=self._title,
            unit="step",
            dynamic_ncols=True,
            mininterval=1.0,
            disable=not state.is_world_process_zero,
        )

    def on_step_end(
        self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Moves the bar."""
        self._bar.update(state.global_step - self._bar.n)

    def on_log(
        self,
        args: Any,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float],
        **kwargs: Any,
    ) -> None:
        """Shows the last losses."""
        shown = {n: f"{logs[n]:.3g}" for n in ("ce", "number_mse") if n in logs}
        self._bar.set_postfix(shown, refresh=False)

    def close(self) -> None:
        """Ends the bar, also after an error."""
        if self._bar is not None:
            self._bar.close()


class Validation(TrainerCallback):
    """Scores held-out images every so many steps; the scores join the history.

    Args:
        validate: scores the model.
        every: in steps; the last step is scored always.
        everywhere: all processes do it, which partitioned weights need; else the
            first one alone.
    """

    def __init__(
        self, validate: Validate, every: int, *, everywhere: bool = False
    ) -> None:
        self._validate = validate
        self._every = every
        self._everywhere = everywhere

    def on_step_end(
        self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Scores the model if it is time."""
        if state.global_step % self._every and state.global_step != state.max_steps:
            return
        if not (self._everywhere or state.is_world_process_zero):
            return
        model: nn.Module = kwargs["model"]
        model.eval()
        with torch.no_grad():
            scores = dict(self._validate(model))
        model.train()
        state.log_history.append({**scores, "step": state.global_step, "scores": 1})
