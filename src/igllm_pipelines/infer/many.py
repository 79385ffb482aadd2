"""Predictions of many images: in this process, or by Ray actors on GPUs and machines.

Each actor holds a copy of the model, which it loads from a folder that all machines
share, as they share the images. Finished chunks are stored; the same call goes on where
a killed one ended.
"""

import logging
import os
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from igllm_pipelines.actors import ActorPool, PoolConfig, PoolError, Task
from igllm_pipelines.infer.chunks import (
    Chunk,
    ChunkStore,
    Record,
    chunks_of,
    image_samples,
    prediction_digest,
)
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.infer.predict import Predictor
from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.model.storage import load_model, save_model
from igllm_pipelines.model.vision import VisionSource
from igllm_pipelines.quiet import be_quiet
from igllm_pipelines.scene.program import ProgramSyntax
from igllm_pipelines.tokens.program_tokenizer import ProgramTokenizer

logger = logging.getLogger(__name__)
_MODEL, _TOKENIZER = "model", "tokenizer"


class InferenceError(PoolError):
    """Images that cannot be predicted, or no actors: says which, and what happened."""


@dataclass(frozen=True)
class Asking:
    """A model and what it is asked.

    Attributes:
        model: trained, on the device where it decodes in this process.
        tokenizer: that it was trained with.
        syntax: of the programs.
        vision: images or features; safe to pickle where there are actors.
        config: of the decoding; it says how many actors there are.
        title: of the progress bar.
    """

    model: IGLLM
    tokenizer: ProgramTokenizer
    syntax: ProgramSyntax
    vision: VisionSource
    config: InferenceConfig
    title: str = "infer"


def predict_splits(
    asking: Asking,
    splits: Mapping[str, Sequence[str]],
    folder: Path,
    ray_address: str | None = None,
) -> dict[str, list[Record]]:
    """Records of all images, in their order, as `Predictor.predict` makes them.

    Args:
        asking: the model and how it decodes.
        splits: names of the images of each split.
        folder: for finished chunks, removed at the end; with actors on several machines
            one that all of them reach.
        ray_address: of a running cluster, None for this machine.

    Raises:
        InferenceError: a chunk killed its actor three times, or no actor starts.
        Exception: what decoding raised.
    """
    samples = image_samples(asking.vision, splits)
    digest = prediction_digest(
        asking.model, asking.tokenizer, asking.syntax, asking.config, samples
    )
    store = ChunkStore(folder, digest)
    chunks = chunks_of(splits, asking.config.chunk_size)
    done = {chunk: store.load(chunk) for chunk in chunks}
    missing = [chunk for chunk in chunks if done[chunk] is None]
    with _progress(asking.title, chunks, missing) as bar:
        if asking.config.workers and missing:
            found = _by_actors(asking, missing, folder, ray_address, bar)
        else:
            found = _here(asking, missing, bar)
        with closing(found):
            for chunk, records in found:
                store.save(chunk, records)
                done[chunk] = records
    predictions: dict[str, list[Record]] = {split: [] for split in splits}
    for chunk in chunks:
        predictions[chunk.split] += done[chunk] or []
    store.clear()
    return predictions


def _progress(title: str, chunks: list[Chunk], missing: list[Chunk]) -> "tqdm[None]":
    total, left = (sum(len(c.names) for c in group) for group in (chunks, missing))
    if left < total:
        logger.info("%s: %d of %d images are done", title, total - left, total)
    return tqdm(
        desc=title,
        total=total,
        initial=total - left,
        unit=" images",
        mininterval=0.5,
        dynamic_ncols=True,
    )


def _here(
    asking: Asking, chunks: list[Chunk], bar: "tqdm[None]"
) -> Generator[tuple[Chunk, list[Record]]]:
    if not chunks:
        return
    predictor = Predictor(asking.model, asking.tokenizer, asking.syntax, asking.config)
    for chunk in chunks:
        yield (
            chunk,
            predictor.predict(
                asking.vision, chunk.split, chunk.names, on_answer=bar.update
            ),
        )


def _by_actors(
    asking: Asking,
    chunks: list[Chunk],
    folder: Path,
    ray_address: str | None,
    bar: "tqdm[None]",
) -> Generator[tuple[Chunk, list[Record]]]:
    pool_config = PoolConfig(
        workers=min(asking.config.workers, len(chunks)),
        address=ray_address,
        kind="inference worker",
        gpus=True,
        error=InferenceError,
    )
    tasks = {chunk.title: chunk for chunk in chunks}
    with _stored(asking, folder) as stored:
        arguments = (stored, asking.syntax, asking.vision, asking.config, Path.cwd())
        with ActorPool(pool_config, InferenceWorker, arguments) as pool:
            waiting = (Task(c.title, "predict", (c.split, c.names)) for c in chunks)
            for task, records in pool.map(waiting):
                yield tasks[task.name], records
                bar.update(len(records))


@contextmanager
def _stored(asking: Asking, folder: Path) -> Iterator[Path]:
    """A folder with model and tokenizer, for as long as there are actors."""
    stored = folder.resolve() / ".model"
    save_model(asking.model, stored / _MODEL)
    asking.tokenizer.save(stored / _TOKENIZER)
    try:
        yield stored
    finally:
        shutil.rmtree(stored, ignore_errors=True)


class InferenceWorker:
    """What an actor does: it loads the model once and predicts chunks.

    Args:
        stored: folder with model and tokenizer.
        syntax: of the programs.
        vision: images or features.
        config: of the decoding.
        directory: that relative paths of the images start from.
    """

    def __init__(
        self,
        stored: Path,
        syntax: ProgramSyntax,
        vision: VisionSource,
        config: InferenceConfig,
        directory: Path,
    ) -> None:
        be_quiet()
        if directory.is_dir():
            os.chdir(directory)
        share = max(1, (os.cpu_count() or 1) // config.workers)
        torch.set_num_threads(config.num_threads or share)
        model = load_model(stored / _MODEL).to(best_device())
        tokenizer = ProgramTokenizer.load(stored / _TOKENIZER)
        self._predictor = Predictor(model, tokenizer, syntax, config)
        self._vision = vision

    def predict(self, split: str, names: Sequence[str]) -> list[Record]:
        """Records of some images, in order."""
        return self._predictor.predict(self._vision, split, names, show_progress=False)


def best_device() -> str:
    """A GPU of this process, or the CPU where it has none."""
    return "cuda" if torch.cuda.is_available() else "cpu"
