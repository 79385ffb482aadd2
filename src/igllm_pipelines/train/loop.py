"""Training with transformers' Trainer: resumable, quiet, one progress bar.

One process, or several that share out every batch. The losses of a step are means over
all labelled tokens and all numbers of its global batch, so that they do not depend on
how many processes there are nor on accumulation.
"""

import copy
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from torch import nn
from transformers import PrinterCallback, TrainerCallback

from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.train import checkpoints, group
from igllm_pipelines.train.callbacks import (
    LOSSES,
    Progress,
    Speed,
    Validate,
    Validation,
)
from igllm_pipelines.train.compiled import compiled_blocks, eagerly
from igllm_pipelines.train.config import TrainingConfig
from igllm_pipelines.train.data import BatchMaker, TrainingSamples
from igllm_pipelines.train.threads import torch_threads
from igllm_pipelines.train.trainer import ModelTrainer
from igllm_pipelines.train.zero import (
    copy_weights,
    deepspeed_mark_removed,
    leave_out_compiled_reduction,
    name_device,
    whole_weights,
    zero_stage,
)

logger = logging.getLogger(__name__)

Record = dict[str, float]


@contextmanager
def _checkpointed_activations(model: IGLLM, enabled: bool) -> Iterator[None]:
    """Computes the language model's activations again in the backward pass."""
    if not enabled:
        yield
        return
    prefix = _checkpointing_prefix(model.language_model)
    enable = getattr(model.language_model, f"{prefix}_enable")
    enable(**{f"{prefix}_kwargs": {"use_reentrant": False}})
    try:
        yield
    finally:
        getattr(model.language_model, f"{prefix}_disable")()


def _checkpointing_prefix(language_model: nn.Module) -> str:
    """What transformers calls it: the older name is deprecated in 5.23."""
    new = "activation_checkpointing"
    return new if hasattr(language_model, f"{new}_enable") else "gradient_checkpointing"


@contextmanager
def _prepared(model: IGLLM, config: TrainingConfig, stage: int) -> Iterator[None]:
    """Model, threads and environment as the configuration wants them, for a while."""
    checkpointed = config.gradient_checkpointing
    with (
        group.group_of_one(stage > 0),
        deepspeed_mark_removed(),
        torch_threads(group.threads(config)),
        compiled_blocks(model, config.compile),
        _checkpointed_activations(model, checkpointed),
    ):
        yield


def train_model(
    model: IGLLM,
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

    Where a launcher started several processes, all of them call it and the first one
    gets the trained model and the whole history.

    Args:
        model: what is trained.
        samples: what it learns from, in their order.
        batches: puts them together.
        config: of the training.
        folder: of the checkpoints. The last one stays, so that the same command again
            trains nothing.
        digest: fingerprint of everything that the result depends on; checkpoints with
            another one are removed. Only the first process's counts.
        validate: scores the model, ``{name: number}``, every ``validate_every`` steps.
        title: of the progress bar.

    Returns:
        The history: records with ``step`` and either the training losses (``loss``,
        ``ce``, ``number_mse``, ``learning_rate``, ``grad_norm``) or the scores.

    Raises:
        NonFiniteLossError: the loss became NaN or infinite.
        CheckpointError: a checkpoint cannot be written, or is for other processes.
        ValueError: the batch cannot be shared out among the processes.
    """
    name_device()
    stage = zero_stage(config)
    if stage:
        leave_out_compiled_reduction()
    # ZeRO 3 takes the weights apart: the caller's model stays whole
    trained = copy.deepcopy(model) if stage == 3 else model
    with _prepared(trained, config, stage), closing(Progress(title)) as progress:
        trainer = ModelTrainer(
            config,
            folder,
            model=trained,
            train_dataset=samples,
            data_collator=batches,
            callbacks=[
                Speed(config.batch_size),
                *_validation(validate, config, stage),
                progress,
            ],
        )
        trainer.remove_callback(PrinterCallback)
        resume = _start(trainer, folder, digest)
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        trainer.wait()
        if trainer.is_first:
            checkpoints.keep_newest(folder, 1)
        if stage == 3:
            copy_weights(whole_weights(trained), model)
        if stage:
            trainer.model_wrapped.destroy()
    model.eval()
    return _history(trainer.state.log_history)


def _validation(
    validate: Validate | None, config: TrainingConfig, stage: int
) -> list[TrainerCallback]:
    """The callback that scores the model, none where nobody asked for scores."""
    if validate is None or not config.validate_every:
        return []
    score = eagerly(validate) if config.compile else validate
    return [Validation(score, config.validate_every, everywhere=stage == 3)]


def _start(trainer: ModelTrainer, folder: Path, digest: str) -> Path | None:
    """Makes the folder ready; the checkpoint that the run goes on from."""
    if trainer.is_first:
        checkpoints.prepare(folder, digest)
    trainer.wait()
    resume = checkpoints.last_whole(folder)
    if resume is not None:
        checkpoints.check_layout(resume, **trainer.layout())
        logger.info("training goes on from %s", resume)
    return resume


def _history(logged: list[dict[str, float]]) -> list[Record]:
    records = []
    for entry in logged:
        if "scores" in entry:
            # sorted: a resumed run reads its first part from a sorted file
            scores = sorted(entry.keys() - {"scores", "step"})
            records.append({name: entry[name] for name in ("step", *scores)})
        elif "loss" in entry:
            records.append({name: entry[name] for name in LOSSES if name in entry})
    return records
