"""A whole training: data order, fingerprint, trainer; in this process or in several."""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.model.storage import stored_weights
from igllm_pipelines.model.vision import VisionSource
from igllm_pipelines.tokens.sequences import ProgramTokens
from igllm_pipelines.train import group
from igllm_pipelines.train.callbacks import Validate
from igllm_pipelines.train.checkpoints import fingerprint
from igllm_pipelines.train.config import TrainingConfig
from igllm_pipelines.train.data import BatchMaker, TrainingSamples
from igllm_pipelines.train.loop import Record, train_model

# they change how fast a run is and what is watched, not what it learns
_NO_RESULT = (
    "num_threads",
    "num_workers",
    "save_every",
    "compile",
    "workers",
    "deepspeed",
    "gradient_accumulation",
    "gradient_checkpointing",
)
_DIGEST_IMAGES = 16


def train_on_split(
    model: IGLLM,
    tokens: ProgramTokens,
    vision: VisionSource,
    split: str,
    *,
    config: TrainingConfig,
    folder: Path,
    seed: int,
    validate: Validate | None = None,
    title: str = "train",
) -> list[Record]:
    """Trains `model` in place on a split; see `igllm_pipelines.train.loop`.

    With ``workers`` above 1 it is trained by so many processes that Ray Train starts,
    unless a launcher (``torchrun``, ``deepspeed``) has started them already.

    Args:
        model: with its first weights.
        tokens: the split's programs.
        vision: the split's images or features.
        split: its name.
        config: of the training.
        folder: of the checkpoints.
        seed: of order and augmentation.
        validate: scores the model now and then.
        title: of the progress bar.

    Returns:
        The history.
    """
    if config.workers > 1 and not group.is_launched():
        from igllm_pipelines.train.launch import Job, train_with_ray

        job = Job(tokens, vision, split, config, folder, seed, validate, title)
        return train_with_ray(model, job)
    samples = TrainingSamples(
        tokens,
        num_places=config.steps * config.batch_size,
        num_rows=min(len(tokens), config.num_samples or len(tokens)),
        seed=seed,
        shuffle_attributes=config.shuffle_attributes,
        draw_synonyms=config.draw_synonyms,
        group_by_length=config.batch_size if config.group_by_length else None,
    )
    return train_model(
        model,
        samples,
        BatchMaker(vision, split, tokens.prefix_ids, tokens.pad_id),
        config,
        folder,
        digest=""
        if group.rank()
        else run_digest(model, tokens, vision, split, config=config, seed=seed),
        validate=validate,
        title=title,
    )


def run_digest(
    model: IGLLM,
    tokens: ProgramTokens,
    vision: VisionSource,
    split: str,
    *,
    config: TrainingConfig,
    seed: int,
) -> str:
    """Fingerprint of everything that a training's result depends on.

    It holds the model's settings and first weights, all programs, what is said around
    them, the training's configuration, the seed and, for the images, the first few.
    """
    settings = {k: v for k, v in asdict(config).items() if k not in _NO_RESULT}
    pixels = vision.batch(split, tokens.images[:_DIGEST_IMAGES])
    return fingerprint(
        {
            "model": model.settings,
            "weights": _digest(_weights(model)),
            "images": _digest(name.encode() for name in tokens.images),
            "programs": _digest(
                p.encode() for p in tokens.table["program"].to_pylist()
            ),
            "tokens": tokens.header,  # a chat template may hold the day's date
            "vision": _digest([pixels.tobytes()]),
            "training": settings,
            "seed": seed,
        }
    )


def _weights(model: IGLLM) -> Iterator[bytes]:
    """Those that no pretrained source holds; of the others, settings have a digest."""
    for weight in stored_weights(model).values():
        yield _numbers(weight.detach().cpu()).numpy().tobytes()


def _numbers(weight: Tensor) -> Tensor:
    return weight.float() if weight.dtype == torch.bfloat16 else weight  # numpy: none


def _digest(parts: Any) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
        digest.update(b"\0")
    return digest.hexdigest()
