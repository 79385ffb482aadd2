from dataclasses import replace

import numpy as np
import pytest
import torch

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.infer.predict import Predictor
from igllm_pipelines.scene.parser import parse_program
from igllm_pipelines.scene.program import ProgramError
from igllm_pipelines.tokens.tokenizer import train_tokenizer
from tests.model.small import small_model

CONFIG = InferenceConfig(batch_size=8, max_tokens=120, max_objects=3)


class NoiseImages:
    """Random images that their names seed."""

    def batch(self, split, filenames):
        shape = (28, 28, 3)
        return np.stack(
            [
                np.random.default_rng(int(n)).integers(0, 256, shape, dtype=np.uint8)
                for n in filenames
            ]
        )


NAMES = [str(i) for i in range(11)]


def setting(domain="2d", *, text=False, **heads):
    """A random model whose answers differ from image to image."""
    tokenizer = train_tokenizer(DOMAINS[domain].syntax)
    model = small_model(
        vocab_size=len(tokenizer),
        num_id=tokenizer.num_id,
        **{"numeric_head": "none" if text else "tanh_mlp_gelu", **heads},
    )
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3 if weight.ndim > 1 else 1)
    return model.eval(), tokenizer, DOMAINS[domain].syntax


def predict(domain, config=CONFIG, *, text=False, **heads):
    model, tokenizer, syntax = setting(domain, text=text, **heads)
    predictor = Predictor(model, tokenizer, syntax, config)
    return predictor.predict(NoiseImages(), "val_ID", NAMES, show_progress=False)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("domain", ["2d", "clevr"])
@pytest.mark.parametrize("grammar", [False, True])
def test_batch_size_changes_no_result(domain, text, grammar):
    config = replace(CONFIG, grammar=grammar, max_tokens=60)
    one, many = (
        predict(domain, replace(config, batch_size=size), text=text) for size in (1, 3)
    )
    assert [r["image"] for r in many] == NAMES
    for first, second in zip(one, many, strict=True):
        assert first["text"] == second["text"]
        np.testing.assert_allclose(first["numbers"], second["numbers"], atol=1e-5)
        assert first["log_probability"] == pytest.approx(
            second["log_probability"], abs=1e-3
        )


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("domain", ["2d", "clevr"])
def test_every_output_of_a_random_model_parses(domain, text):
    records = predict(domain, text=text)
    for record in records:
        scene = parse_program(record["program"], DOMAINS[domain].syntax)
        assert len(scene.objects) <= 3
        assert record["log_probability"] < 0
        assert record["seconds"] > 0
    assert len({record["text"] for record in records}) > 1


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("max_tokens", [1, 5, 20, 33])
def test_output_that_runs_out_of_tokens_keeps_whole_lines(max_tokens, text):
    config = replace(CONFIG, max_tokens=max_tokens, max_objects=3)
    for record in predict("clevr", config, text=text):
        scene = parse_program(record["program"], DOMAINS["clevr"].syntax)
        assert len(scene.objects) == record["program"].count("\n")


def test_without_grammar_a_random_model_writes_no_program():
    records = predict("2d", replace(CONFIG, grammar=False))
    with pytest.raises(ProgramError):
        parse_program(records[0]["program"], DOMAINS["2d"].syntax)


def test_char_model_never_says_num():
    records = predict("clevr", replace(CONFIG, grammar=False), text=True)
    assert not any("[NUM]" in record["text"] for record in records)


@pytest.mark.parametrize(
    "heads", [{"numeric_head": "mixture"}, {"value_feedback": True}]
)
def test_batch_size_changes_no_result_of_other_heads(heads):
    one, many = (
        predict("clevr", replace(CONFIG, batch_size=size, max_tokens=60), **heads)
        for size in (1, 8)
    )
    for first, second in zip(one, many, strict=True):
        assert first["text"] == second["text"]
        np.testing.assert_allclose(first["numbers"], second["numbers"], atol=1e-5)


def test_a_mixture_says_how_unsure_each_number_is():
    for record in predict("2d", numeric_head="mixture"):
        assert len(record["number_stds"]) == len(record["numbers"]) > 0
        assert min(record["number_stds"]) > 0
    assert "number_stds" not in predict("2d")[0]


@pytest.mark.parametrize("text", [False, True])
def test_drawn_programs_depend_on_seed_and_image_alone(text):
    warm = replace(CONFIG, temperature=1.5, seed=3)
    one, many = (
        predict("2d", replace(warm, batch_size=size), text=text) for size in (1, 32)
    )
    texts = [record["text"] for record in many]
    assert [record["text"] for record in one] == texts
    others = predict("2d", replace(warm, seed=4), text=text)
    assert [record["text"] for record in others] != texts
    for record in many:
        parse_program(record["program"], DOMAINS["2d"].syntax)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_writes_programs(precision):
    records = predict("clevr", replace(CONFIG, precision=precision))
    for record in records:
        scene = parse_program(record["program"], DOMAINS["clevr"].syntax)
        assert len(scene.objects) <= 3
        assert np.isfinite(record["numbers"]).all()


def test_a_low_temperature_is_the_likeliest_token():
    cold = predict("2d", replace(CONFIG, temperature=1e-4))
    greedy = predict("2d")
    assert [r["text"] for r in cold] == [r["text"] for r in greedy]
