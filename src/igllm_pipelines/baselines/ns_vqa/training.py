"""Trains the scene parser on rendered scenes and lets it predict."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from igllm_pipelines.baselines.ns_vqa.batches import (
    Batch,
    Pictures,
    TrainingBatches,
    Vocabulary,
    to_tensor,
)
from igllm_pipelines.baselines.ns_vqa.config import NsvqaConfig
from igllm_pipelines.baselines.ns_vqa.describer import description_loss, disturbed
from igllm_pipelines.baselines.ns_vqa.detector import Segments, detection_loss
from igllm_pipelines.baselines.ns_vqa.fitting import Course, fit
from igllm_pipelines.baselines.ns_vqa.parser import SceneParser
from igllm_pipelines.scene.program import ProgramSyntax, write_program
from igllm_pipelines.scene.scene import Scene
from igllm_pipelines.train.checkpoints import fingerprint
from igllm_pipelines.train.threads import torch_threads

Record = dict[str, Any]
LossOf = Callable[[SceneParser, Batch], Tensor]
_LOG_EVERY = 20


def train_parser(
    scenes: Sequence[Scene],
    pictures: Pictures,
    split: str,
    *,
    vocabulary: Vocabulary,
    config: NsvqaConfig,
    folder: Path,
    seed: int,
) -> tuple[SceneParser, list[Record]]:
    """Trains the detector, then the describer on the true segments.

    NS-VQA trains the describer on the detector's proposals; here it is trained on the
    true segments, disturbed as proposals are, so that neither training needs the other.

    Args:
        scenes: of the training split; their labels give the masks.
        pictures: of the scenes.
        split: theirs.
        vocabulary: the words of each attribute.
        config: of the parser.
        folder: of the checkpoints; a killed training goes on from the last one.
        seed: of the first weights and of the order.

    Returns:
        The parser, and the history: records with ``step`` and ``detector_loss`` or
        ``describer_loss``, each the mean of the last steps.

    Raises:
        ValueError: a label lacks what is learned, a loss is not finite, or a file of
            weights does not fit.
        CheckpointError: a checkpoint cannot be written.
    """
    parser = SceneParser(config, vocabulary, seed).to(_device())
    chosen = scenes[: config.num_samples]
    batches = TrainingBatches(chosen, pictures, split, vocabulary, seed)
    history = []
    with torch_threads(config.num_threads):
        for name, loss_of in _LOSSES.items():
            losses = _fit(parser, name, loss_of, batches, folder=folder, seed=seed)
            history += _history(f"{name}_loss", losses)
    return parser.eval(), history


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _fit(
    parser: SceneParser,
    name: str,
    loss_of: LossOf,
    batches: TrainingBatches,
    *,
    folder: Path,
    seed: int,
) -> list[float]:
    """Trains one network of the parser, ``detector`` or ``describer``."""
    settings = asdict(parser.config)
    device = next(parser.parameters()).device
    size = settings[f"{name}_batch"]
    return fit(
        parser.get_submodule(name),
        lambda step: loss_of(parser, _on_device(batches.batch(step, size), device)),
        Course(
            settings[f"{name}_steps"],
            settings[f"{name}_lr"],
            parser.config.warm_up_steps,
            seed,
        ),
        folder / name,
        digest=_digest(parser, name, batches, seed),
        title=f"nsvqa: {name}",
    )


def _digest(parser: SceneParser, name: str, batches: TrainingBatches, seed: int) -> str:
    """Fingerprint of everything that the weights of one network depend on."""
    own = ("warm_up_steps", "location_weight")
    settings = {
        key: value
        for key, value in asdict(parser.config).items()
        if key.startswith(name) or key in own
    }
    return fingerprint(
        {
            "settings": settings,
            "data": batches.digest(),
            "vocabulary": parser.vocabulary,
            "seed": seed,
        }
    )


def _on_device(batch: Batch, device: torch.device) -> Batch:
    return Batch(
        batch.pictures.to(device),
        [Segments(*(part.to(device) for part in one)) for one in batch.segments],
        batch.words.to(device),
        batch.location.to(device),
        batch.names,
    )


def _detector_loss(parser: SceneParser, batch: Batch) -> Tensor:
    return detection_loss(parser.detector, batch.pictures, batch.segments)


def _describer_loss(parser: SceneParser, batch: Batch) -> Tensor:
    segments = [disturbed(one) for one in batch.segments]
    described = parser.describer(batch.pictures, segments)
    weight = parser.config.location_weight
    return description_loss(described, batch.words, batch.location, weight)


_LOSSES: dict[str, LossOf] = {"detector": _detector_loss, "describer": _describer_loss}


def _history(name: str, losses: Sequence[float]) -> list[Record]:
    records = []
    for end in range(_LOG_EVERY, len(losses) + _LOG_EVERY, _LOG_EVERY):
        last = losses[end - _LOG_EVERY : end]
        step = min(end, len(losses))
        records.append({"step": step, name: sum(last) / len(last)})
    return records


def predict(
    parser: SceneParser,
    pictures: Pictures,
    split: str,
    filenames: Sequence[str],
    *,
    syntax: ProgramSyntax,
    num_threads: int = 0,
) -> list[Record]:
    """A record for each picture, in order, as the other encodings have them.

    Args:
        parser: a trained one.
        pictures: of the split.
        split: theirs.
        filenames: of the pictures.
        syntax: of the domain's programs; rotations, of which NS-VQA says nothing, stay
            out.
        num_threads: torch threads, 0 for one a core.

    Returns:
        records with ``image``, ``text`` and ``program`` (the same), ``numbers`` (none:
        they stand in the text), ``log_probability`` and ``seconds``.
    """
    bar = tqdm(
        filenames, desc=f"nsvqa: infer {split}", unit="image", dynamic_ncols=True
    )
    with torch_threads(num_threads):
        return [_record(parser, pictures, split, name, syntax) for name in bar]


def _record(
    parser: SceneParser,
    pictures: Pictures,
    split: str,
    name: str,
    syntax: ProgramSyntax,
) -> Record:
    start = time.perf_counter()
    picture = to_tensor(pictures.batch(split, [name]))
    [(scene, log_probability)] = parser.parse(picture)
    program = write_program(scene, syntax)
    return {
        "image": name,
        "text": program,
        "numbers": [],
        "program": program,
        "log_probability": log_probability,
        "seconds": time.perf_counter() - start,
    }
