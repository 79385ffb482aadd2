"""transformers' Trainer with our losses, parameter groups, schedule and checkpoints."""

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import Trainer, TrainingArguments

from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.model.storage import load_stored, stored_weights
from igllm_pipelines.train import checkpoints, group
from igllm_pipelines.train.config import TrainingConfig
from igllm_pipelines.train.optimizer import (
    cosine_schedule,
    make_optimizer,
    parameter_groups,
)
from igllm_pipelines.train.shares import label_counts, shared_out, total_counts
from igllm_pipelines.train.zero import (
    deepspeed_settings,
    read_as_data,
    zero_stage,
)

_KEPT_CHECKPOINTS = 2
_WEIGHTS, _SCHEDULER = "model.safetensors", "scheduler.pt"


class NonFiniteLossError(ArithmeticError):
    """The loss or a weight became NaN or infinite; the message names the step."""


class ModelTrainer(Trainer):
    """transformers' Trainer with our parameter groups, schedule and checkpoints.

    Args:
        config: of the training.
        folder: that the checkpoints go to; all processes see it.
        kwargs: handed on to Trainer.
    """

    def __init__(self, config: TrainingConfig, folder: Path, **kwargs: Any) -> None:
        self._config = config
        self._folder = folder
        self.optimizer: Any = None
        self.lr_scheduler: Any = None
        self._sums = {"ce": 0.0, "number_mse": 0.0}
        self._count = 0
        self._pieces = group.size() * config.gradient_accumulation
        self._totals: Tensor | None = None
        super().__init__(args=_arguments(config, folder), **kwargs)
        if self.args.process_index:  # each process its own dropout
            torch.manual_seed(self.args.process_index)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes for all."""
        return bool(self.args.process_index == 0)

    def wait(self) -> None:
        """Until all processes are here."""
        self.accelerator.wait_for_everyone()

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

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """The pieces of a step; counts the labels of all processes' pieces."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self._pieces > 1:
            totals = total_counts(self.model, batches).to(device)
            self._totals = self.accelerator.reduce(totals, reduction="sum")
        return batches, items

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Tensor:
        """The loss of a batch, or of a piece of one.

        Raises:
            NonFiniteLossError: it is NaN or infinite.
        """
        images = inputs.pop("images")
        half = self._config.precision == "bf16"
        with torch.autocast(self.args.device.type, torch.bfloat16, enabled=half):
            output = model(**inputs)
        if self._totals is not None:
            counts = label_counts(self.model, inputs["labels"])
            output = shared_out(output, counts, self._totals, self._pieces)
        # one look at the device for all of them
        parts = torch.stack([getattr(output, name).float() for name in self._sums])
        values = dict(zip(self._sums, parts.tolist(), strict=True))
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
            means = [total / self._count for total in self._sums.values()]
            if self.args.world_size > 1:
                own = torch.tensor(means, device=self.args.device)
                means = self.accelerator.reduce(own, reduction="mean").tolist()
            logs |= dict(zip(self._sums, means, strict=True))
            self._sums, self._count = dict.fromkeys(self._sums, 0.0), 0
        super().log(logs, start_time)

    def save_model(
        self, output_dir: str | None = None, _internal_call: bool = False
    ) -> None:
        """Writes the weights that no pretrained source holds; DeepSpeed its own."""
        folder = Path(output_dir or self.args.output_dir)
        if self.is_first:
            folder.mkdir(parents=True, exist_ok=True)
        self.wait()
        if self.is_first and not self.is_deepspeed_enabled:
            tensors = {
                name: tensor.detach().cpu().contiguous()
                for name, tensor in stored_weights(self.model).items()
            }
            save_file(tensors, folder / _WEIGHTS, metadata={"format": "pt"})

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        folder = Path(resume_from_checkpoint)
        load_stored(self.model, load_file(folder / _WEIGHTS), folder)

    def _prepare_for_training(
        self, max_steps: int, train_dataloader: Any, resume_from_checkpoint: str | None
    ) -> Any:
        if not self.is_deepspeed_enabled:
            return super()._prepare_for_training(
                max_steps, train_dataloader, resume_from_checkpoint
            )
        prepared = super()._prepare_for_training(max_steps, train_dataloader, None)
        if resume_from_checkpoint is not None:
            self._load_deepspeed(resume_from_checkpoint)
        return prepared

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with checkpoints.reading(Path(checkpoint or self._folder)):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with checkpoints.reading(Path(checkpoint or self._folder)):
            super()._load_rng_state(checkpoint)

    def _load_deepspeed(self, folder: str) -> None:
        with checkpoints.reading(Path(folder)), read_as_data():
            # frozen weights are not in it: they are what the model was built with
            loaded, _ = self.model_wrapped.load_checkpoint(
                folder, load_module_strict=False
            )
            if loaded is None:
                raise checkpoints.CheckpointError(f"{folder} holds no DeepSpeed state")
            state = torch.load(Path(folder) / _SCHEDULER, weights_only=True)
            self.lr_scheduler.load_state_dict(state)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.is_deepspeed_enabled:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        self.model_wrapped.save_checkpoint(output_dir, exclude_frozen_parameters=True)
        if self.is_first:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / _SCHEDULER)

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._folder / checkpoints.PARTIAL)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        name = f"checkpoint-{self.state.global_step}"
        if not all(bool(w.isfinite().all()) for w in self.model.parameters()):
            raise NonFiniteLossError(
                f"weights are no longer finite at step {self.state.global_step}, so "
                "that no checkpoint is written; lower the learning rates"
            )
        partial = self._folder / checkpoints.PARTIAL
        with checkpoints.writing(self._folder, name):
            size = checkpoint_bytes(self.model, deepspeed=self.is_deepspeed_enabled)
            checkpoints.check_room(self._folder, size)
            super()._save_checkpoint(model, trial)
            if self.is_first:
                checkpoints.write_layout(partial / name, **self.layout())
            self.wait()
            if self.is_first:
                checkpoints.seal(partial / name, self._folder / name)
                shutil.rmtree(partial, ignore_errors=True)
        self.wait()
        if self.is_first:
            checkpoints.keep_newest(self._folder, _KEPT_CHECKPOINTS)

    def layout(self) -> dict[str, int]:
        """For how many processes the checkpoints are, and of which ZeRO stage."""
        stage = zero_stage(self._config)
        return {"processes": self.args.world_size, "zero_stage": stage}


def _arguments(config: TrainingConfig, folder: Path) -> TrainingArguments:
    together = group.is_launched()
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=config.steps,
        per_device_train_batch_size=group.micro_batch_size(config),
        gradient_accumulation_steps=config.gradient_accumulation,
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
        use_cpu=together and not torch.cuda.is_available(),
        deepspeed=deepspeed_settings(config),
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # one process a GPU, no DataParallel
    return arguments


def checkpoint_bytes(model: IGLLM, *, deepspeed: bool) -> int:
    """Size of a checkpoint: what is stored, and two moments of what is trained.

    DeepSpeed stores what is trained alone: in the optimizer, and below stage 3 in the
    model too.
    """
    trained = sum(
        getattr(weight, "ds_numel", weight.numel())
        for weight in model.parameters()
        if weight.requires_grad
    )
    if deepspeed:
        return 16 * trained
    stored = sum(tensor.nbytes for tensor in stored_weights(model).values())
    return 8 * trained + stored
