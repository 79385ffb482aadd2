"""Warm-up of an image tower on dense labels of the training images.

A tower from scratch learns too slowly through a language model, and no weights are
downloaded by default. So a linear layer on every cell of the tower's map predicts what
stands there; after that the tower is frozen, as the paper's CLIP tower is. It sees the
labels of the training split only. This stands in for CLIP and is not in the paper.
"""

import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from igllm_pipelines.model.towers import Tower
from igllm_pipelines.model.vision import VisionSource
from igllm_pipelines.scene.program import ProgramSyntax
from igllm_pipelines.scene.scene import Scene
from igllm_pipelines.train import checkpoints
from igllm_pipelines.train.config import WarmUpConfig
from igllm_pipelines.train.data import SampleOrder
from igllm_pipelines.train.dense_labels import (
    DenseLabels,
    LabelLayout,
    dense_labels,
    mirror_scene,
    stack_labels,
)
from igllm_pipelines.train.optimizer import cosine_schedule, make_optimizer
from igllm_pipelines.train.states import descend, take_steps
from igllm_pipelines.train.threads import torch_threads
from igllm_pipelines.train.trainer import NonFiniteLossError

logger = logging.getLogger(__name__)

Place = Callable[[Scene], Scene]

_BETA2, _FLOOR = 0.98, 0.02
_DIGEST_IMAGES = 16


def dense_loss(
    outputs: Float[Tensor, "batch cells outputs"],
    labels: DenseLabels,
    layout: LabelLayout,
    config: WarmUpConfig,
) -> Float[Tensor, ""]:
    """Presence over all cells; everything else over the cells that hold objects.

    The sum of binary cross-entropy, the cross-entropy of each attribute, and the mean
    squared errors of x, y, z in metres and of the 6d rotation, each with its weight.
    """
    presence = torch.zeros(outputs.shape[:2])
    image, cell = torch.from_numpy(labels.image), torch.from_numpy(labels.cell)
    presence[image, cell] = 1
    loss = functional.binary_cross_entropy_with_logits(outputs[..., 0], presence)
    if not len(image):
        return loss
    parts = outputs[image, cell].split(layout.sizes, dim=-1)
    _, *words, location, rotation = parts
    targets = torch.from_numpy(labels.words)
    for column, logits in enumerate(words):
        loss = loss + functional.cross_entropy(logits, targets[:, column])
    error = functional.mse_loss(location, torch.from_numpy(labels.location))
    loss = loss + config.location_weight * error
    if not layout.rotation:
        return loss
    error = functional.mse_loss(rotation, torch.from_numpy(labels.rotation))
    return loss + config.rotation_weight * error


class DenseBatches:
    """Batches of images with dense labels, in an order that the seed fixes.

    Args:
        scenes: of the split.
        vision: its images.
        split: name of the split.
        layout: of the labels.
        image_px: side of the images.
        mirror: half of the images are mirrored.
        seed: of order and mirroring.
        place: a scene with its pixel coordinates where they lie in `vision`'s images,
            if those were made square.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        vision: VisionSource,
        split: str,
        layout: LabelLayout,
        image_px: int,
        *,
        mirror: bool,
        seed: int,
        place: Place | None = None,
    ) -> None:
        self.layout = layout
        self._vision = vision
        self._split = split
        self._names = [scene.image_filename for scene in scenes]
        views = [list(scenes)]
        if mirror:
            views.append([mirror_scene(scene) for scene in scenes])
        if place is not None:
            views = [[place(scene) for scene in view] for view in views]
        self._labels = [[dense_labels(s, layout, image_px) for s in v] for v in views]
        self._order = SampleOrder(len(scenes), seed)
        self._seed = seed

    def batch(self, step: int, size: int) -> tuple[Tensor, DenseLabels, list[str]]:
        """Images ``(size, height, width, 3)``, labels and names of a step."""
        rng = np.random.default_rng((self._seed, 2, step))
        rows = [self._order.row(step * size + i) for i in range(size)]
        flips = rng.integers(len(self._labels), size=size)
        names = [self._names[row] for row in rows]
        images = np.array(self._vision.batch(self._split, names))
        images[flips == 1] = images[flips == 1, :, ::-1]
        labels = [self._labels[f][row] for f, row in zip(flips, rows, strict=True)]
        return torch.from_numpy(images), stack_labels(labels), names

    def digest(self) -> str:
        """SHA-256 of all names and labels, and of the pixels of the first images."""
        digest = hashlib.sha256("\n".join(self._names).encode())
        first = self._vision.batch(self._split, self._names[:_DIGEST_IMAGES])
        digest.update(first.tobytes())
        for labels in self._labels[0]:
            for array in labels:
                digest.update(array.tobytes())
        return digest.hexdigest()


def warm_up_tower(
    tower: Tower,
    scenes: Sequence[Scene],
    vision: VisionSource,
    split: str,
    *,
    folder: Path,
    syntax: ProgramSyntax,
    config: WarmUpConfig,
    image_px: int,
    seed: int,
    place: Place | None = None,
) -> float:
    """Trains `tower` in place; a killed warm-up goes on from its last checkpoint.

    Args:
        tower: it makes ``num_tokens``, a square number, of width ``width``.
        scenes: what the training images show.
        vision: the images.
        split: of the images.
        syntax: of the domain's programs. Their words and the location are learned, and
            the rotation unless it is CLEVR's yaw.
        config: of the warm-up.
        folder: of the checkpoints. The last one stays, so that the same command again
            trains nothing.
        image_px: side of the images.
        seed: of the order and of the linear layer.
        place: see `DenseBatches`.

    Returns:
        The mean loss of the last tenth of the steps.

    Raises:
        NonFiniteLossError: the loss became NaN or infinite.
        CheckpointError: a checkpoint cannot be written.
        ValueError: a label lacks what is learned.
    """
    layout = LabelLayout(
        dict(syntax.words),
        math.isqrt(tower.num_tokens),
        rotation=_has_rotation(syntax),
        by_columns=tower.by_columns,
    )
    batches = DenseBatches(
        scenes,
        vision,
        split,
        layout,
        image_px,
        mirror=config.mirror,
        seed=seed,
        place=place,
    )
    digest = _run_digest(tower, batches, config, image_px, seed)
    checkpoints.prepare(folder, digest)
    with torch_threads(config.num_threads):
        losses = _fit(_with_readout(tower, layout, seed), batches, config, folder)
    loss = float(np.mean(losses[-max(1, len(losses) // 10) :]))
    logger.info("warm-up of the tower: loss %.3f", loss)
    return loss


def _with_readout(tower: Tower, layout: LabelLayout, seed: int) -> nn.ModuleDict:
    """The tower, and the linear layer that reads dense labels from its tokens."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        readout = nn.Linear(tower.width, sum(layout.sizes))
    return nn.ModuleDict({"tower": tower, "readout": readout})


def _run_digest(
    tower: Tower, batches: DenseBatches, config: WarmUpConfig, image_px: int, seed: int
) -> str:
    """Fingerprint of everything that a warm-up's result depends on."""
    settings = {k: v for k, v in asdict(config).items() if k != "num_threads"}
    return checkpoints.fingerprint(
        {
            "settings": settings,
            "seed": seed,
            "image_px": image_px,
            "data": batches.digest(),
            "tower": tower.settings,
        }
    )


def _has_rotation(syntax: ProgramSyntax) -> bool:
    return "rotation" in syntax.attributes and syntax.rotation_rep != "yaw"


def _fit(
    modules: nn.ModuleDict, batches: DenseBatches, config: WarmUpConfig, folder: Path
) -> list[float]:
    """Trains ``tower`` and ``readout`` of `modules`; the loss of every step."""
    optimizer = make_optimizer(
        modules.parameters(),
        beta2=_BETA2,
        weight_decay=config.weight_decay,
        lr=config.learning_rate,
    )
    schedule = cosine_schedule(optimizer, config.steps, config.warm_up_steps, _FLOOR)
    parts = {"modules": modules, "optimizer": optimizer, "schedule": schedule}

    def take_step(step: int) -> float:
        images, labels, names = batches.batch(step, config.batch_size)
        outputs = modules["readout"](modules["tower"](images))
        loss = dense_loss(outputs, labels, batches.layout, config)
        if not loss.isfinite():
            raise NonFiniteLossError(
                f"the warm-up's loss is not finite at step {step + 1}, images "
                f"{', '.join(names)}; look at their labels or lower the learning rate"
            )
        descend(loss, modules, optimizer, schedule, max_norm=1.0)
        return float(loss.detach())

    modules.train()
    losses = take_steps(parts, take_step, config.steps, folder, title="warm-up")
    modules.eval()
    return losses
