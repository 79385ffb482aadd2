import json
from dataclasses import replace

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from igllm_pipelines.model.build import build_model, build_tower
from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.model.language import build_language_model, weights_digest
from igllm_pipelines.model.lora import (
    LanguageModelError,
    RowEmbedding,
    add_lora,
    merge_lora,
    train_row,
)
from igllm_pipelines.model.storage import ModelFolderError, load_model, save_model
from tests.model.pretrained import SHAPE, WRITERS
from tests.model.small import (
    CONV,
    NUM_ID,
    TOWER,
    VOCABULARY,
    small_batch,
    small_model,
)

LORA = {"lora_r": 4, "lora_alpha": 8.0, "lora_dropout": 0.1}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("language_models")
    return {name: write(root / name) for name, write in WRITERS.items()}


def config_of(folder, **changes):
    return ModelConfig(pretrained=str(folder), **{**LORA, **changes})


def rows_of(folder):
    return json.loads((folder / "config.json").read_text())["vocab_size"]


def model_of(folder, *, tower=TOWER, seed=0, vocab_size=None, num_id=3, **changes):
    return build_model(
        build_tower(tower, seed),
        config_of(folder, **changes),
        vocab_size=vocab_size or rows_of(folder),
        num_id=num_id,
        seed=seed,
    )


def stirred(model, seed=9):
    """The model with every trained weight moved, LoRA's zeros too."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                noise = torch.randn(parameter.shape, generator=rng)
                parameter.add_(0.1 * noise.to(parameter.dtype))
    return model


def trained_names(model):
    return {n for n, p in model.named_parameters() if p.requires_grad}


def steps_of(model, steps=3):
    groups = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(groups, lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        model(**small_batch()).loss.backward()
        optimizer.step()


@pytest.mark.parametrize("kind", WRITERS)
def test_fresh_lora_changes_nothing(folders, kind):
    plain = AutoModelForCausalLM.from_pretrained(folders[kind]).eval()
    model = model_of(folders[kind]).eval()
    batch = small_batch()
    sequence = model.embed(batch["vision"], batch["prefix_ids"], batch["input_ids"])
    torch.testing.assert_close(
        model.logits(model.hidden_states(sequence)),
        plain(inputs_embeds=sequence).logits,
    )
    words = plain.get_input_embeddings()(batch["input_ids"])
    torch.testing.assert_close(sequence[:, -words.shape[1] :], words)


FAMILIES = {
    "gpt2": {"n_inner": 48},  # its layers are transposed
    "gemma2": {"head_dim": 8, "final_logit_softcapping": 2.0},
    "cohere": {"logit_scale": 0.0625},
    "granite": {"logits_scaling": 4.0, "embedding_multiplier": 3.0},
    "phi": {},  # its output matrix has a bias
    "gpt_neox": {},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_keeps_its_logits_and_takes_lora_and_a_row(family):
    """Against transformers' own forward pass; a fresh LoRA and row change nothing."""
    own = {"vocab_size": VOCABULARY, "num_key_value_heads": 4, **FAMILIES[family]}
    own |= dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **{**SHAPE, **own})
    plain = AutoModelForCausalLM.from_config(config).float()
    parts = plain.base_model, plain.get_output_embeddings()
    with torch.no_grad():
        for part in parts:
            for parameter in part.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    model = small_model()
    model.language_model = plain.eval()
    ids = small_batch()["input_ids"]
    expected = plain(input_ids=ids).logits

    def check():
        states = model.hidden_states(model.embed_text(ids))
        torch.testing.assert_close(model.logits(states), expected, atol=1e-5, rtol=1e-5)

    check()
    add_lora(plain, ModelConfig(pretrained=family, lora_r=2), seed=1)
    train_row(plain, NUM_ID)
    check()
    merge_lora(plain)
    check()


@pytest.mark.parametrize("kind", WRITERS)
def test_only_lora_projector_head_and_tower_are_trained(folders, kind):
    model = model_of(folders[kind])
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    steps_of(model)
    changed = {
        name
        for name, parameter in model.named_parameters()
        if not torch.equal(parameter, before[name])
    }
    assert changed == trained_names(model)
    inside = {n for n in changed if n.startswith("language_model.")}
    assert inside
    assert all("lora_" in name for name in inside)
    # every linear layer of both blocks, each with two matrices
    assert len(inside) == 2 * 2 * 7
    assert not any("lm_head" in n or "embed_tokens" in n for n in changed)


def test_lora_targets_may_be_named(folders):
    model = model_of(folders["llama"], lora_targets=["q_proj", "v_proj"])
    changed = {n for n in trained_names(model) if "lora_A" in n}
    assert len(changed) == 4
    assert all("q_proj" in n or "v_proj" in n for n in changed)
    with pytest.raises(LanguageModelError, match="no linear layer 'c_attn'.*k_proj"):
        model_of(folders["llama"], lora_targets=["c_attn"])


def test_lora_weights_depend_on_the_seed_alone(folders):
    one, same, other = (model_of(folders["llama"], seed=s) for s in (1, 1, 2))
    name = next(n for n in trained_names(one) if "lora_A" in n)
    assert torch.equal(one.get_parameter(name), same.get_parameter(name))
    assert not torch.equal(one.get_parameter(name), other.get_parameter(name))


@pytest.mark.parametrize("kind", WRITERS)
def test_added_number_token_trains_its_row_alone(folders, kind):
    rows = rows_of(folders[kind])
    num_id = rows if kind == "llama" else rows - 7  # the Qwen has rows to spare
    model = model_of(
        folders[kind], num_token="added", vocab_size=num_id + 1, num_id=num_id
    )
    inside = model.language_model
    embedding = inside.get_input_embeddings()
    assert isinstance(embedding, RowEmbedding)
    before = inside.get_input_embeddings().weight.clone()
    row = embedding.row.detach().clone()
    torch.testing.assert_close(row, before[:num_id].mean(dim=0))
    batch = small_batch()
    for name in ("input_ids", "labels"):
        batch[name][batch[name] == 3] = num_id
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    model(**batch).loss.backward()
    optimizer.step()
    assert torch.equal(embedding.weight, before)
    assert not torch.equal(embedding.row, row)
    logits = model.logits(torch.eye(32))
    rows_out = logits.T
    torch.testing.assert_close(rows_out[num_id], inside.get_output_embeddings().row)
    torch.testing.assert_close(
        rows_out[:num_id], inside.get_output_embeddings().weight[:num_id]
    )


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("num_token", ["existing", "added"])
def test_round_trip_gives_equal_losses_and_leaves_frozen_weights_out(
    folders, kind, num_token, tmp_path
):
    rows = rows_of(folders[kind])
    ids = {"vocab_size": rows + 1, "num_id": rows} if num_token == "added" else {}
    model = stirred(model_of(folders[kind], num_token=num_token, **ids)).eval()
    save_model(model, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    batch = small_batch()
    with torch.no_grad():
        assert torch.equal(model(**batch).loss, loaded(**batch).loss)
    assert loaded.settings == model.settings
    from safetensors.torch import load_file

    stored = load_file(tmp_path / "m" / "model.safetensors")
    inside = {n for n in stored if n.startswith("language_model.")}
    assert all("lora_" in n or n.endswith(".row") for n in inside)
    assert str(folders[kind]) in (tmp_path / "m" / "config.json").read_text()


@pytest.mark.parametrize("kind", WRITERS)
def test_whole_training_stores_everything_and_needs_no_source(kind, tmp_path):
    source = WRITERS[kind](tmp_path / "source")
    model = stirred(model_of(source, lora_r=0)).eval()
    assert "language_model.model.embed_tokens.weight" in trained_names(model)
    save_model(model, tmp_path / "m")
    source.rename(tmp_path / "gone")
    loaded = load_model(tmp_path / "m")
    batch = small_batch()
    with torch.no_grad():
        assert torch.equal(model(**batch).loss, loaded(**batch).loss)


def test_other_frozen_weights_are_noticed(tmp_path):
    source = WRITERS["llama"](tmp_path / "source")
    save_model(model_of(source), tmp_path / "m")
    WRITERS["llama"](source, seed=1)
    with pytest.raises(ModelFolderError, match="has other weights"):
        load_model(tmp_path / "m")


def test_missing_frozen_weights_are_named(tmp_path):
    source = WRITERS["llama"](tmp_path / "source")
    save_model(model_of(source), tmp_path / "m")
    source.rename(tmp_path / "gone")
    with pytest.raises(ModelFolderError, match=r"source.*hf download") as caught:
        load_model(tmp_path / "m")
    assert "delete the folder" not in str(caught.value)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("num_token", ["existing", "added"])
def test_merged_lora_gives_the_same_logits(folders, kind, num_token, tmp_path):
    rows = rows_of(folders[kind])
    ids = {"vocab_size": rows + 1, "num_id": rows} if num_token == "added" else {}
    model = stirred(model_of(folders[kind], num_token=num_token, **ids)).eval()
    batch = small_batch()
    batch["input_ids"][0, 1] = ids.get("num_id", 5)
    with torch.no_grad():
        parts = batch["vision"], batch["prefix_ids"], batch["input_ids"]
        words = model.embed_text(batch["input_ids"])
        logits = model.logits(model.hidden_states(model.embed(*parts)))
        text = model.logits(model.hidden_states(words))
        merged = merge_lora(model.language_model)
        torch.testing.assert_close(
            model.logits(model.hidden_states(model.embed(*parts))),
            logits,
            atol=1e-5,
            rtol=1e-5,
        )
        merged.save_pretrained(tmp_path)
        read = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
        found = read(input_ids=batch["input_ids"]).logits
    torch.testing.assert_close(found, text, atol=1e-5, rtol=1e-5)
    assert not any("lora" in name for name in merged.state_dict())


def test_frozen_weights_may_be_bfloat16_and_lora_is_not(folders):
    model = model_of(folders["llama"], dtype="bfloat16")
    inside = model.language_model
    assert inside.get_input_embeddings().weight.dtype == torch.bfloat16
    assert {p.dtype for n, p in inside.named_parameters() if "lora_" in n} == {
        torch.float32
    }
    out = model(**small_batch())
    assert out.loss.dtype == torch.float32
    steps_of(model)
    exact = model_of(folders["llama"])
    torch.testing.assert_close(out.ce, exact(**small_batch()).ce, atol=0.05, rtol=0.05)


def test_scratch_model_with_lora_and_bfloat16_keeps_exact_positions():
    config = ModelConfig(hidden_dim=32, heads=2, mlp_dim=32, lora_r=2, dtype="bfloat16")
    model = build_model(build_tower(CONV, 0), config, vocab_size=20, num_id=3, seed=0)
    rotary = model.language_model.model.rotary_emb.inv_freq
    assert rotary.dtype == torch.float32
    assert not model.external  # nothing of it is anywhere else
    assert all(
        "lora_" in n for n in trained_names(model) if n.startswith("language_model.")
    )


def test_scratch_model_with_lora_round_trip(tmp_path):
    config = ModelConfig(hidden_dim=32, heads=2, mlp_dim=32, lora_r=2)
    model = build_model(build_tower(TOWER, 0), config, vocab_size=20, num_id=3, seed=0)
    save_model(stirred(model).eval(), tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert torch.equal(model(**small_batch()).loss, loaded(**small_batch()).loss)


def test_projector_starts_from_its_file_once(folders, tmp_path):
    weights = {
        "model.mm_projector.weight": torch.randn(32, 16),
        "model.mm_projector.bias": torch.randn(32),
    }
    file = tmp_path / "mm_projector.bin"
    torch.save(weights, file)
    model = model_of(folders["llama"], projector_weights=str(file))
    torch.testing.assert_close(
        model.projector.linear.weight.data, weights["model.mm_projector.weight"]
    )
    save_model(model, tmp_path / "m")
    file.unlink()  # trained weights are in the folder
    assert load_model(tmp_path / "m").settings == model.settings


@pytest.mark.parametrize("kind", ["4bit", "8bit"])
def test_quantization_without_bitsandbytes_says_so(folders, kind, monkeypatch):
    import igllm_pipelines.model.language as room

    monkeypatch.setattr(room, "find_spec", lambda name: None)
    with pytest.raises(LanguageModelError, match="pip install bitsandbytes"):
        model_of(folders["llama"], quantization=kind)


def test_missing_language_model_says_what_to_do(tmp_path):
    with pytest.raises(LanguageModelError, match="hf download"):
        model_of(tmp_path / "nowhere", vocab_size=20)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LanguageModelError, match="can be loaded from there"):
        model_of(tmp_path / "empty", vocab_size=20)


def test_incomplete_weights_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = WRITERS["llama"](tmp_path / "llama")
    file = folder / "model.safetensors"
    weights = load_file(file)
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(LanguageModelError, match="up_proj"):
        model_of(folder)


def test_tokenizer_of_another_model_is_refused(folders):
    with pytest.raises(LanguageModelError, match="do not belong together"):
        model_of(folders["llama"], vocab_size=rows_of(folders["llama"]) + 5)


def test_architecture_gives_the_shape_without_the_weights(folders):
    whole = model_of(folders["qwen"], lora_r=0)
    config = config_of(folders["qwen"], lora_r=0)
    shape = build_language_model(
        replace(config, pretrained="nowhere"),
        vocab_size=0,
        num_id=3,
        seed=0,
        architecture=whole.settings["architecture"],
    )
    expected = {n: t.shape for n, t in whole.language_model.state_dict().items()}
    assert {n: t.shape for n, t in shape.state_dict().items()} == expected
    assert str(folders["qwen"]) not in json.dumps(whole.settings["architecture"])


def test_weights_digest_tells_weights_apart():
    one = {"a": torch.arange(100.0), "b": torch.ones(3)}
    assert weights_digest(one) == weights_digest(dict(reversed(one.items())))
    for changed in (
        {**one, "b": 2 * one["b"]},
        {"a": one["a"], "c": one["b"]},
        {**one, "b": torch.ones(3, 1)},
    ):
        assert weights_digest(changed) != weights_digest(one)
