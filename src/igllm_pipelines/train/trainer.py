"""Training with transformers' Trainer: resumable, quiet, one progress bar."""

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from igllm_pipelines.train import checkpoints
from igllm_pipelines.train.compiled import compiled_blocks, eagerly
from igllm_pipelines.train.config import TrainingConfig
from igllm_pipelines.train.data import BatchMaker, TrainingSamples
from igllm_pipelines.train.optimizer import (
    cosine_schedule,
    make_optimizer,
    parameter_groups,
)
from igllm_pipelines.train.threads import torch_threads

logger = logging.getLogger(__name__)

Validate = Callable[[nn.Module], Mapping[str, float]]
Record = dict[str, float]

_TRAINING = ("step", "loss", "ce", "number_mse", "learning_rate", "grad_norm")
_KEPT_CHECKPOINTS = 2


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite; the message names step and images."""


class ModelTrainer(Trainer):
    """transformers' Trainer with our parameter groups, schedule and checkpoints.

    Args:
        config: of the training.
        folder: that the checkpoints go to.
        kwargs: handed on to Trainer.
    """

    def __init__(self, config: TrainingConfig, folder: Path, **kwargs: Any) -> None:
        self._config = config
        self._folder = folder
        self.optimizer: Any = None
        self.lr_scheduler: Any = None
        self._sums = {"ce": 0.0, "number_mse": 0.0}
        self._count = 0
        super().__init__(args=_arguments(config, folder), **kwargs)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.AdamW:
        """AdamW over `parameter_groups`."""
        if self.optimizer is None:
            groups = parameter_groups(model or self.model, self._config)
            self.optimizer = make_optimizer(groups, beta2=self._config.beta2)
        return self.optimizer

    def create_scheduler(
        self,
        num_training_steps: int,
        optimizer: torch.optim.Optimizer | None = None,
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Linear warm-up, then a cosine that ends at a floor."""
        if self.lr_scheduler is None:
            self.lr_scheduler = cosine_schedule(
                optimizer or self.optimizer,
                num_training_steps,
                self._config.warm_up_steps,
                self._config.min_lr_ratio,
            )
        return self.lr_scheduler

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Tensor:
        """The loss of a batch.

        Raises:
            NonFiniteLossError: it is NaN or infinite.
        """
        images = inputs.pop("images")
        output = model(**inputs)
        values = {name: float(getattr(output, name).detach()) for name in self._sums}
        if not math.isfinite(sum(values.values())):
            raise NonFiniteLossError(
                f"the loss is not finite ({values}) at step "
                f"{self.state.global_step + 1}, images {', '.join(images)}; look at "
                "their labels or lower the learning rates"
            )
        for name, value in values.items():
            self._sums[name] += value
        self._count += 1
        loss: Tensor = output.loss
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the means of both losses since the last log."""
        if "loss" in logs and self._count:
            logs |= {name: total / self._count for name, total in self._sums.items()}
            self._sums, self._count = dict.fromkeys(self._sums, 0.0), 0
        super().log(logs, start_time)

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._folder / checkpoints.PARTIAL)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        name = f"checkpoint-{self.state.global_step}"
        partial = self._folder / checkpoints.PARTIAL
        checkpoints.seal(partial / name, self._folder / name)
        checkpoints.keep_newest(self._folder, _KEPT_CHECKPOINTS)


def _arguments(config: TrainingConfig, folder: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch_size,
        max_grad_norm=config.max_grad_norm,
        logging_strategy="steps",
        logging_steps=config.log_every,
        logging_nan_inf_filter=False,
        save_strategy="steps" if config.save_every else "no",
        save_steps=config.save_every or 1,
        dataloader_num_workers=config.num_workers,
        dataloader_pin_memory=False,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to="none",
        seed=0,
    )


class _Progress(TrainerCallback):
    """One bar with steps per second and the last losses."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Any = None

    def on_train_begin(
        self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc=self._title,
            unit="step",
            dynamic_ncols=True,
            mininterval=1.0,
        )

    def on_step_end(
        self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._bar.update(state.global_step - self._bar.n)

    def on_log(
        self,
        args: Any,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float],
        **kwargs: Any,
    ) -> None:
        shown = {n: f"{logs[n]:.3g}" for n in ("ce", "number_mse") if n in logs}
        self._bar.set_postfix(shown, refresh=False)

    def close(self) -> None:
        """Ends the bar, also after an error."""
        if self._bar is not None:
            self._bar.close()


class _Validation(TrainerCallback):
    """Scores held-out images every so many steps; the scores join the history."""

    def __init__(self, validate: Validate, every: int) -> None:
        self._validate = validate
        self._every = every

    def on_step_end(
        self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step % self._every and state.global_step != state.max_steps:
            return
        model: nn.Module = kwargs["model"]
        model.eval()
        with torch.no_grad():
            scores = dict(self._validate(model))
        model.train()
        state.log_history.append({**scores, "step": state.global_step, "scores": 1})


def train_model(
    model: nn.Module,
    samples: TrainingSamples,
    batches: BatchMaker,
    config: TrainingConfig,
    folder: Path,
    *,
    digest: str,
    validate: Validate | None = None,
    title: str = "train",
) -> list[Record]:
    """Trains `model` in place; a killed run goes on from its last checkpoint.

    Args:
        model: an `IGLLM`.
        samples: what it learns from, in their order.
        batches: puts them together.
        config: of the training.
        folder: of the checkpoints. The last one stays, so that the same command again
            trains nothing.
        digest: fingerprint of everything that the result depends on; checkpoints with
            another one are removed.
        validate: scores the model, ``{name: number}``, every ``validate_every`` steps.
        title: of the progress bar.

    Returns:
        The history: records with ``step`` and either the training losses (``loss``,
        ``ce``, ``number_mse``, ``learning_rate``, ``grad_norm``) or the scores.

    Raises:
        NonFiniteLossError: the loss became NaN or infinite.
    """
    checkpoints.prepare(folder, digest)
    resume = checkpoints.last_whole(folder)
    if resume is not None:
        logger.info("training goes on from %s", resume)
    progress = _Progress(title)
    callbacks: list[TrainerCallback] = [progress]
    if validate is not None and config.validate_every:
        score = eagerly(validate) if config.compile else validate
        callbacks.insert(0, _Validation(score, config.validate_every))
    with torch_threads(config.num_threads), compiled_blocks(model, config.compile):
        trainer = ModelTrainer(
            config,
            folder,
            model=model,
            train_dataset=samples,
            data_collator=batches,
            callbacks=callbacks,
        )
        trainer.remove_callback(PrinterCallback)
        try:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        finally:
            progress.close()
    checkpoints.keep_newest(folder, 1)
    model.eval()
    return _history(trainer.state.log_history)


def _history(logged: list[dict[str, float]]) -> list[Record]:
    records = []
    for entry in logged:
        if "scores" in entry:
            # sorted: a resumed run reads its first part from a sorted file
            scores = sorted(entry.keys() - {"scores", "step"})
            records.append({name: entry[name] for name in ("step", *scores)})
        elif "loss" in entry:
            records.append({name: entry[name] for name in _TRAINING if name in entry})
    return records
