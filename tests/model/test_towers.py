from dataclasses import replace

import pytest
import torch

from igllm_pipelines.model.build import build_tower
from igllm_pipelines.model.towers import Pixels
from tests.model.small import CONV, TOWER


def images(side, batch=2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    shape = (batch, side, side, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng)


def test_pixels_white_to_zero_is_three_times_distance_from_white():
    x = images(4)
    scaled = x.float() / 255 * 2 - 1
    expected = ((scaled - 1) * 3).permute(0, 3, 1, 2)
    torch.testing.assert_close(Pixels("white_to_zero", 4)(x), expected)


@pytest.mark.parametrize("final_norm", [True, False])
@pytest.mark.parametrize("layer", [-1, -2])
def test_open_clip_tower_equals_the_transformer_run_by_hand(layer, final_norm):
    tower = build_tower(replace(TOWER, layer=layer, final_norm=final_norm), seed=1)
    whole = build_tower(TOWER, seed=1).transformer  # the same weights, nothing pruned
    x = images(28)
    hidden = whole._embeds(tower.pixels(x))
    for block in whole.transformer.resblocks[: 2 + layer + 1]:
        hidden = block(hidden)
    expected = whole.ln_post(hidden) if final_norm else hidden
    torch.testing.assert_close(tower(x), expected[:, 1:])


def test_open_clip_tower_positions_are_fixed_sin_cos():
    position = build_tower(TOWER, seed=1).transformer.positional_embedding
    assert not position.requires_grad
    assert torch.equal(
        position, build_tower(TOWER, seed=2).transformer.positional_embedding
    )
    assert len(torch.unique(position, dim=0)) == len(position)


@pytest.mark.parametrize("config", [TOWER, CONV])
def test_tower_makes_the_tokens_it_promises(config):
    tower = build_tower(config, seed=0)
    tokens = tower(images(config.image_px))
    assert tokens.shape == (2, tower.num_tokens, tower.width)
    assert torch.isfinite(tokens).all()


@pytest.mark.parametrize("config", [TOWER, CONV])
def test_tower_refuses_images_of_another_size(config):
    with pytest.raises(ValueError, match="set tower.image_px"):
        build_tower(config, seed=0)(images(14))


def test_conv_tower_reads_columns_from_top_left():
    tower = build_tower(CONV, seed=0).eval()
    black = torch.zeros((1, 32, 32, 3), dtype=torch.uint8)
    corner = black.clone()
    corner[:, :2, -2:] = 255  # top right
    changed = (tower(corner) - tower(black)).abs().sum(-1)[0]
    assert changed.argmax() == 12  # first of the last column of the 4 x 4 map


@pytest.mark.parametrize("config", [TOWER, CONV])
def test_tower_weights_depend_on_the_seed_alone(config):
    torch.manual_seed(11)
    one = build_tower(config, seed=5).state_dict()
    torch.manual_seed(12)
    again, other = build_tower(config, 5).state_dict(), build_tower(config, 6)
    assert all(torch.equal(one[name], again[name]) for name in one)
    different = [not torch.equal(one[n], w) for n, w in other.state_dict().items()]
    assert any(different)


def test_tower_draws_nothing_from_the_global_generator():
    before = torch.random.get_rng_state()
    build_tower(TOWER, seed=0)
    assert torch.equal(before, torch.random.get_rng_state())
