"""A training of seconds, which may kill its process on the way."""

import json
import os
import signal

import numpy as np

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.model.storage import save_model
from igllm_pipelines.scene.scene import Scene, SceneObject
from igllm_pipelines.tokens.encoding import encode_scenes
from igllm_pipelines.tokens.sequences import ProgramTokens
from igllm_pipelines.tokens.tokenizer import train_tokenizer
from igllm_pipelines.train.config import TrainingConfig
from igllm_pipelines.train.run import train_on_split
from tests.model.small import small_model

SYNTAX = DOMAINS["2d"].syntax
CONFIG = TrainingConfig(
    steps=12,
    batch_size=4,
    warm_up_steps=2,
    log_every=2,
    save_every=4,
    validate_every=3,
    num_threads=1,
)


def dots(count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Scene((SceneObject(location=(*xy, 0.0)),), image_filename=f"{i}.png")
        for i, xy in enumerate(rng.uniform(0.1, 0.9, (count, 2)).round(3).tolist())
    ]


class DotImages:
    """28 x 28 images with one dark block; batch `kill_at` ends the process."""

    def __init__(self, scenes, kill_at=0):
        self._places = {s.image_filename: s.objects[0].location for s in scenes}
        self._kill_at = kill_at
        self._batches = 0

    def batch(self, split, filenames):
        self._batches += len(filenames) == CONFIG.batch_size  # not the fingerprint's
        if self._kill_at and self._batches == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        images = np.full((len(filenames), 28, 28, 3), 255, np.uint8)
        for image, name in zip(images, filenames, strict=True):
            column, row, _ = (int(28 * value) for value in self._places[name])
            image[row - 2 : row + 2, column - 2 : column + 2] = 0
        return images


def setting(encoding="float", count=10, **model):
    """Scenes, tokenizer, tokens and a fresh model with dropout, so that rng counts."""
    scenes = dots(count)
    tokenizer = train_tokenizer(SYNTAX)
    tokens = ProgramTokens(encode_scenes(scenes, SYNTAX, encoding, tokenizer))
    module = small_model(
        vocab_size=len(tokenizer),
        num_id=tokens.num_id,
        **{
            "vision_dropout": 0.1,
            "numeric_head": "tanh_mlp_gelu" if encoding == "float" else "none",
            **model,
        },
    )
    return scenes, tokenizer, tokens, module


def run(folder, kill_at=0, config=CONFIG, seed=5, **model):
    scenes, _, tokens, model = setting(**model)
    history = train_on_split(
        model,
        tokens,
        DotImages(scenes, kill_at),
        "train",
        config=config,
        folder=folder / "checkpoints",
        seed=seed,
        validate=lambda m: {"val_error": float(sum(p.sum() for p in m.parameters()))},
    )
    save_model(model, folder / "model")
    (folder / "history.json").write_text(json.dumps(history))
    return model, history
