"""What happens beside the steps of a training: progress, scores, who watches."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
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
Watch = Callable[[Mapping[str, float]], None]
# of a record of the training losses
LOSSES = ("step", "loss", "ce", "number_mse", "learning_rate", "grad_norm")
_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Hands the records of trainings to `watch` as soon as they are made.

    They are those of the history, and those of losses have ``samples_per_second`` too,
    which the history lacks: it must be the same for the same training. Processes that
    Ray Train starts are not heard.
    """
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def _tell(record: Mapping[str, float]) -> None:
    if watch := _watch.get():
        watch(record)


class Speed(TrainerCallback):
    """Tells the losses, and how many images a second went through since the last.

    It must come before `Validation`, whose time then does not count where the step is
    logged too.

    Args:
        batch_size: images a step, of all processes.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._steps = 0
        self._seconds = 0.0
        self._since = 0.0

    def _start(self, *args: Any, **kwargs: Any) -> None:
        self._since = time.perf_counter()

    # a checkpoint's time does not count either
    on_train_begin = on_save = _start

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """Counts the step."""
        now = time.perf_counter()
        self._seconds += now - self._since
        self._since = now
        self._steps += 1

    def on_log(
        self,
        args: Any,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float],
        **kwargs: Any,
    ) -> None:
        """Tells; what happened since the step's end does not count."""
        if "loss" in logs and self._steps and state.is_world_process_zero:
            losses = {name: logs[name] for name in LOSSES if name in logs}
            speed = self._batch_size * self._steps / self._seconds
            _tell({**losses, "step": state.global_step, "samples_per_second": speed})
        self._steps, self._seconds = 0, 0.0
        self._since = time.perf_counter()


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
        if state.is_world_process_zero:
            _tell({**scores, "step": state.global_step})
