"""CLIP's image encoder: numbers against transformers, weights from files, errors."""

from dataclasses import replace
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip import factory
from safetensors.torch import save_file

from igllm_pipelines.model.build import build_model, build_tower
from igllm_pipelines.model.clip import TowerWeightsError, image_weights
from igllm_pipelines.model.config import ModelConfig, TowerConfig

PX, PATCH, WIDTH = 28, 7, 32
PAPER = TowerConfig(
    pretrained="ViT-L-14-336-quickgelu/random",
    image_px=336,
    fit="pad",
    pixels="clip",
    frozen=True,
    layer=-2,
    final_norm=False,
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Two small architectures under names of their own."""
    vision = {"image_size": PX, "patch_size": PATCH, "width": WIDTH, "layers": 2}
    text = {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 2, "layers": 1}
    config = {"embed_dim": 16, "vision_cfg": {**vision, "head_width": 16}}
    for name, quick in (("tiny", False), ("tiny-quickgelu", True)):
        known = {**config, "text_cfg": text, "quick_gelu": quick}
        monkeypatch.setitem(factory._MODEL_CONFIGS, name, known)


def config_of(source, model="tiny-quickgelu", **changes):
    small = replace(PAPER, image_px=PX, pretrained=f"{model}/{source}")
    return replace(small, **changes)


def transformers_clip(activation="quick_gelu"):
    from transformers import CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(3)
    model = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=PX,
            patch_size=PATCH,
            hidden_act=activation,
            attn_implementation="eager",
        )
    ).eval()
    for weight in model.parameters():  # the first ones are too small to tell apart
        torch.nn.init.normal_(weight, std=0.3)
    return model


def pixels(seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (2, PX, PX, 3), dtype=torch.uint8, generator=rng)


@pytest.mark.parametrize("model", ["tiny-quickgelu", "tiny"])
def test_tokens_equal_those_of_transformers(tmp_path, model):
    theirs = transformers_clip("quick_gelu" if "quick" in model else "gelu")
    save_file(theirs.state_dict(), tmp_path / "clip.safetensors")
    tower = build_tower(config_of(tmp_path / "clip.safetensors", model), seed=0).eval()
    with torch.no_grad():
        ours = tower(pixels())
        planes = tower.pixels(pixels())
        expected = theirs(planes, output_hidden_states=True).hidden_states[-2][:, 1:]
    assert expected.std() > 0.1
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


def test_the_other_activation_gives_other_tokens(tmp_path):
    save_file(transformers_clip().state_dict(), tmp_path / "clip.safetensors")
    quick, plain = (
        build_tower(config_of(tmp_path / "clip.safetensors", model), seed=0)
        for model in ("tiny-quickgelu", "tiny")
    )
    with torch.no_grad():
        assert (quick(pixels()) - plain(pixels())).abs().max() > 1e-3


def whole_clip(seed):
    torch.manual_seed(seed)
    return open_clip.create_model("tiny-quickgelu").eval()


@pytest.mark.parametrize("file", ["clip.safetensors", "clip.pt", "training.pt"])
def test_weights_of_open_clips_checkpoints(tmp_path, file):
    clip = whole_clip(5)
    state, path = clip.state_dict(), tmp_path / file
    if path.suffix == ".safetensors":
        save_file(state, path)
    elif file == "training.pt":
        wrapped = {f"module.{name}": weight for name, weight in state.items()}
        torch.save({"epoch": 3, "state_dict": wrapped}, path)
    else:
        torch.save(state, path)
    tower = build_tower(config_of(path, layer=-1), seed=0).eval()
    planes = tower.pixels(pixels())
    with torch.no_grad():
        hidden = clip.visual._embeds(planes)
        for block in clip.visual.transformer.resblocks:
            hidden = block(hidden)
        torch.testing.assert_close(tower(pixels()), hidden[:, 1:])


def test_a_whole_model_of_transformers_gives_its_image_encoder():
    vision = {
        f"vision_model.{k}": v for k, v in transformers_clip().state_dict().items()
    }
    other = {"text_model.embeddings.x": torch.ones(1), "logit_scale": torch.ones(())}
    ours = image_weights({**vision, **other, "visual_projection.weight": torch.ones(2)})
    names = set(whole_clip(0).visual.state_dict()) - {"proj"}
    assert set(ours) == names


def test_last_block_and_norm_are_dropped():
    tower = build_tower(config_of("random"), seed=0)
    names = tower.state_dict()
    assert not any("resblocks.1." in name or "ln_post" in name for name in names)
    with_norm = build_tower(config_of("random", final_norm=True), seed=0)
    assert "transformer.ln_post.weight" in with_norm.state_dict()


def test_random_weights_come_from_the_seed():
    one, again, other = (build_tower(config_of("random"), s) for s in (1, 1, 2))
    weights = [t.transformer.conv1.weight for t in (one, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_weights_can_be_left_for_later(tmp_path):
    config = config_of(tmp_path / "not_there.safetensors")
    assert build_tower(config, seed=0, weights=False).num_tokens == 16


def test_the_papers_tower_builds():
    with torch.device("meta"):
        tower = build_tower(PAPER, seed=0)
    assert (tower.num_tokens, tower.width) == (576, 1024)
    blocks = tower.transformer.transformer.resblocks
    assert len(blocks) == 23
    assert type(blocks[0].mlp.gelu).__name__ == "QuickGELU"
    count = sum(weight.numel() for weight in tower.parameters())
    assert count == 290_909_184  # CLIP's 303,507,456 less a block and the last norm


@pytest.mark.parametrize("frozen", [True, False])
def test_fine_tuning_is_a_switch(frozen):
    tower = build_tower(config_of("random", frozen=frozen), seed=0)
    language = ModelConfig(hidden_dim=16, heads=2, layers=1, mlp_dim=16)
    build_model(tower, language, vocab_size=8, num_id=3, seed=0)
    # positions included: CLIP's are learned
    assert {w.requires_grad for w in tower.parameters()} == {not frozen}


def stored(path, **weights):
    save_file({name: torch.zeros(shape) for name, shape in weights.items()}, path)
    return path


def broken(path):
    path.write_bytes(b"no weights")
    return path


def with_code(path):
    torch.save({"state_dict": Path}, path)
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: stored(p / "a.safetensors", other=(2,)), "holds no image encoder"),
        (
            lambda p: stored(p / "a.safetensors", class_embedding=(8,)),
            "is of another model",
        ),
        (lambda p: broken(p / "a.safetensors"), "cannot be read as weights"),
        (lambda p: broken(p / "a.pt"), "cannot be read as weights"),
        (lambda p: with_code(p / "a.pt"), "cannot be read as weights"),
        (lambda p: p / "a.pt", "is neither a file nor a tag of tiny-quickgelu"),
    ],
)
def test_unfit_weights_are_named(tmp_path, make, words):
    path = make(tmp_path)
    with pytest.raises(TowerWeightsError, match=words) as caught:
        build_tower(config_of(path), seed=0)
    assert str(path) in str(caught.value)


def test_wrong_shape_says_both_shapes(tmp_path):
    state = transformers_clip().state_dict()
    state["embeddings.class_embedding"] = torch.zeros(8)
    save_file(state, tmp_path / "clip.safetensors")
    with pytest.raises(TowerWeightsError, match=r"\[8\].*\[32\]"):
        build_tower(config_of(tmp_path / "clip.safetensors"), seed=0)


def paper(**changes):
    return replace(PAPER, **changes)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (paper(pretrained="ViT-Z/openai"), "open_clip knows no model 'ViT-Z'"),
        (paper(pretrained="ViT-L-14-336-quickgelu/opanai"), "a tag of .*: openai"),
        (paper(pretrained="ViT-L-14-336/openai"), "ViT-L-14-336-quickgelu/openai"),
        (
            paper(pretrained="ViT-B-16-quickgelu/laion2b_s34b_b88k", image_px=224),
            "plain GELU|neither a file nor a tag",
        ),
        (paper(pretrained="RN50-quickgelu/openai"), "only .* vision transformers"),
        (paper(image_px=224), "336 x 336 pixels: set tower.image_px to 336"),
        (paper(pixels="centered"), "tower.pixels 'centered'"),
        (config_of("random", layer=-3), "layer is -3, but it has 2 blocks"),
    ],
)
def test_what_does_not_fit_is_named_before_any_download(monkeypatch, config, words):
    monkeypatch.setattr(
        "open_clip.pretrained.hf_hub_download", lambda *a, **k: pytest.fail("download")
    )
    with pytest.raises(TowerWeightsError, match=words), torch.device("meta"):
        build_tower(config, seed=0)


@pytest.mark.parametrize(
    "source", ["ViT-B-32-quickgelu/openai", "hf-hub:someone/some-clip"]
)
def test_no_network_says_what_to_do(monkeypatch, source):
    def fails(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("open_clip.pretrained.hf_hub_download", fails)
    config = paper(pretrained=source, image_px=224)
    wanted = pytest.raises(TowerWeightsError, match="cannot be downloaded.*MODEL/FILE")
    with wanted, torch.device("meta"):
        build_tower(config, seed=0)


@pytest.mark.parametrize("source", ["ViT-L-14-336-quickgelu", "/openai", "a/"])
def test_source_needs_model_and_tag(source):
    with pytest.raises(ValueError, match="must be MODEL/TAG"):
        TowerConfig(pretrained=source)
