"""A training of seconds by several processes; each calls `run`.

``torchrun --nproc-per-node 2 -m tests.train.together FOLDER SETTINGS`` runs it, with
settings of the training as JSON; ``deepspeed --num_gpus 2 --no_local_rank --module`` in
place of torchrun does too. The first process stores model and history in FOLDER.
Nothing is dropped out, so that the number of processes changes nothing.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from igllm_pipelines.model.storage import save_model
from igllm_pipelines.train import group
from igllm_pipelines.train.data import BatchMaker, TrainingSamples
from igllm_pipelines.train.run import train_on_split
from tests.train import tiny

CONFIG = replace(tiny.CONFIG, validate_every=4, learning_rate=1e-2)


class DyingImages(tiny.DotImages):
    """Once, the second of two processes kills itself at a batch."""

    def __init__(self, scenes, mark, kill_at):
        super().__init__(scenes)
        self._mark, self._die_at, self._read = mark, kill_at, 0

    def batch(self, split, filenames):
        self._read += len(filenames) == CONFIG.batch_size // 2
        due = self._die_at and self._read == self._die_at and group.rank() == 1
        if due and not self._mark.exists():
            self._mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().batch(split, filenames)


def held_out_loss(tokens, vision, model):
    samples = TrainingSamples(tokens, num_places=4, num_rows=4, seed=1)
    batches = BatchMaker(vision, "train", tokens.prefix_ids, tokens.pad_id)
    batch = batches([samples[place] for place in range(4)])
    del batch["images"]
    device = next(model.parameters()).device
    return {"val_loss": float(model(**{k: v.to(device) for k, v in batch.items()}).ce)}


def run(folder, vision=None, model_settings=None, **settings):
    model_settings = {"vision_dropout": 0.0, **(model_settings or {})}
    scenes, _, tokens, model = tiny.setting(**model_settings)
    vision = vision or tiny.DotImages(scenes)
    history = train_on_split(
        model,
        tokens,
        vision,
        "train",
        config=replace(CONFIG, **settings),
        folder=folder / "checkpoints",
        seed=5,
        validate=partial(held_out_loss, tokens, vision),
    )
    if group.rank() == 0:
        save_model(model, folder / "model")
        (folder / "history.json").write_text(json.dumps(history))
    return model, history


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(Path(sys.argv[1]), **json.loads(sys.argv[2]))
