"""Small models for tests."""

import torch

from igllm_pipelines.model.build import build_model, build_tower
from igllm_pipelines.model.config import ModelConfig, TowerConfig

NUM_ID = 3
VOCABULARY = 20
TOWER = TowerConfig(image_px=28, patch_px=14, width=16, depth=2, heads=2)
CONV = TowerConfig(
    kind="conv", image_px=32, pixels="centered", frozen=True, channels=(8, 16, 16)
)


def small_model(
    tower=TOWER,
    *,
    seed=0,
    vocab_size=VOCABULARY,
    num_id=NUM_ID,
    digit_ids=(),
    **model,
):
    config = ModelConfig(**{"hidden_dim": 32, "heads": 2, "mlp_dim": 32, **model})
    return build_model(
        build_tower(tower, seed),
        config,
        vocab_size=vocab_size,
        num_id=num_id,
        seed=seed,
        digit_ids=digit_ids,
    )


def small_batch(batch=3, text=6, image_px=28, seed=0):
    """Random images and texts; the first token has no label, rows end in padding."""
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, VOCABULARY, (batch, text), generator=rng)
    ids[:, 2] = NUM_ID
    ids[0, 4] = NUM_ID
    labels = ids.clone()
    labels[:, 0] = -100
    labels[1, 4:] = -100
    numbers = torch.rand((batch, text), generator=rng) * (ids == NUM_ID)
    shape = (batch, image_px, image_px, 3)
    return {
        "vision": torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng),
        "prefix_ids": torch.tensor([1, 2]),
        "input_ids": ids,
        "labels": labels,
        "numbers": numbers,
    }
