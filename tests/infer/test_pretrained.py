"""Decoding with pretrained tokenizers: the grammar's masks, whole predictions."""

from dataclasses import replace

import llguidance
import llguidance.hf
import numpy as np
import pytest
import torch

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.infer.grammar import ProgramGrammar
from igllm_pipelines.infer.grammar_rules import lark_grammar
from igllm_pipelines.infer.predict import Predictor, program_of
from igllm_pipelines.model.build import build_model, build_tower
from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.scene.parser import parse_program
from igllm_pipelines.scene.program import fill_numbers
from igllm_pipelines.tokens.conversation import answer
from tests.infer import programs
from tests.infer.test_predict import NoiseImages
from tests.model.small import TOWER

CLEVR, DOTS = DOMAINS["clevr"].syntax, DOMAINS["2d"].syntax
WORDS = "size='large', color='red', material='metal', shape='cube'"
CASES = programs.PRETRAINED


def tokenizer_of(folders, case, syntax=CLEVR):
    return programs.tokenizer_of(case, syntax, folders)


def grammar(tokenizer, syntax, *, text, max_objects=2):
    return ProgramGrammar(
        tokenizer, len(tokenizer) + 7, syntax, max_objects, numbers_as_text=text
    )


def allows(compiled, tokenizer, program):
    said = tokenizer.conversation.lead + answer(program)
    state = compiled.rows(1)
    for token in [*tokenizer.encode([said])[0], tokenizer.end_id]:
        if not state.allowed()[0, token]:
            return False
        state.accept([token])
    return True


@pytest.mark.parametrize("case", CASES)
def test_grammar_allows_programs_and_forbids_others(folders, case):
    tokenizer = tokenizer_of(folders, case)
    as_values, as_text = (
        grammar(tokenizer, CLEVR, text=text) for text in (False, True)
    )
    values = f"add({WORDS}, loc=([NUM], [NUM], [NUM]), rotation=[NUM])\n"
    text = f"add({WORDS}, loc=(+0.123, -1.500, +10.700))\n"
    assert allows(as_values, tokenizer, values * 2)
    assert allows(as_text, tokenizer, text * 2)
    assert not allows(as_values, tokenizer, text)
    assert not allows(as_text, tokenizer, values)
    assert not allows(as_values, tokenizer, values * 3)
    assert not allows(as_values, tokenizer, f"add({WORDS})\n")
    assert not allows(as_text, tokenizer, text.replace("red", "pink"))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("domain", ["clevr", "2d", "so3", "6dof", "shapenet"])
@pytest.mark.parametrize("encoding", ["char", "float"])
def test_programs_of_the_domain_are_allowed(folders, case, domain, encoding):
    syntax = programs.syntax_of(domain, encoding)
    tokenizer = tokenizer_of(folders, case, syntax)
    compiled = grammar(tokenizer, syntax, text=encoding == "char")
    for seed in range(2):
        rng = np.random.default_rng(seed)
        scene = programs.random_scene(syntax, rng, 1 + seed)
        ids = programs.answer_ids(scene, syntax, encoding, tokenizer, rng)
        state = compiled.rows(1)
        for token in ids:
            assert state.allowed()[0, token]
            state.accept([token])


def masks_of_llguidance(compiled, tokenizer, syntax, ids, *, text):
    """What llguidance itself allows before each token of one answer."""
    rules = lark_grammar(
        syntax,
        5,
        num_id=None if text else tokenizer.num_id,
        answer_open=tokenizer.conversation.answer_open,
    )
    vocabulary = llguidance.hf.from_tokenizer(
        tokenizer.base,
        n_vocab=compiled.vocab_size,
        eos_token=tokenizer.end_id,
        slices=[],
    )
    matcher = llguidance.LLMatcher(
        vocabulary, llguidance.LLMatcher.grammar_from_lark(rules)
    )
    for token in ids:
        bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.unpackbits(bits, bitorder="little", count=compiled.vocab_size)
        yield allowed.astype(bool)
        assert matcher.consume_token(token)


@pytest.mark.parametrize("case", ["tiny", *CASES])
@pytest.mark.parametrize("domain", ["clevr", "6dof", "2d"])
@pytest.mark.parametrize("text", [False, True])
def test_a_mask_known_from_other_answers_is_that_of_llguidance(
    folders, case, domain, text
):
    syntax = programs.syntax_of(domain, "float_euler" if domain == "6dof" else "float")
    tokenizer = tokenizer_of(folders, case, syntax)
    compiled = grammar(tokenizer, syntax, text=text, max_objects=5)
    for seed in range(6):
        rng, state = np.random.default_rng(seed), compiled.rows(1)
        ids, masks = [], []
        while not ids or ids[-1] != tokenizer.end_id:
            masks.append(state.allowed()[0].numpy())
            ids.append(int(rng.choice(np.flatnonzero(masks[-1]))))
            state.accept([ids[-1]])
        expected = masks_of_llguidance(compiled, tokenizer, syntax, ids, text=text)
        for mask, allowed in zip(masks, expected, strict=True):
            assert (mask == allowed).all()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("text", [False, True])
def test_whatever_the_grammar_allows_parses(folders, case, text):
    tokenizer = tokenizer_of(folders, case, DOTS)
    compiled = grammar(tokenizer, DOTS, text=text)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        state, ids = compiled.rows(1), []
        while not ids or ids[-1] != tokenizer.end_id:
            ids.append(int(rng.choice(np.flatnonzero(state.allowed()[0].numpy()))))
            state.accept([ids[-1]])
        said = tokenizer.decode(ids[:-1]).removeprefix(tokenizer.conversation.lead)
        numbers = rng.normal(size=said.count("[NUM]")).tolist()
        assert text == (not numbers)
        scene = parse_program(program_of(fill_numbers(said, numbers, DOTS)), DOTS)
        assert 1 <= len(scene.objects) <= 2


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("text", [False, True])
def test_predictions_of_a_random_model_parse_in_any_batch(folders, case, text):
    tokenizer = tokenizer_of(folders, case, DOTS)
    kind, num_token, template = case
    config = ModelConfig(
        pretrained=str(folders[kind]),
        num_token=num_token,
        template=template,
        lora_r=2,
        numeric_head="none" if text else "linear",
    )
    model = build_model(
        build_tower(TOWER, 0),
        config,
        vocab_size=len(tokenizer),
        num_id=tokenizer.num_id,
        seed=0,
    )
    with torch.no_grad():
        model.projector.linear.weight.mul_(5)
    names = [str(i) for i in range(3)]
    found = []
    for size in (1, 3):
        settings = InferenceConfig(batch_size=size, max_tokens=150, max_objects=2)
        predictor = Predictor(model, tokenizer, DOTS, settings)
        found.append(
            predictor.predict(NoiseImages(), "val_ID", names, show_progress=False)
        )
    for one, many in zip(*found, strict=True):
        assert one["text"] == many["text"]
        np.testing.assert_allclose(one["numbers"], many["numbers"], atol=1e-4)
        parse_program(one["program"], DOTS)
        assert one["text"].startswith("The scene can be produced with:")


def test_without_grammar_text_is_decoded_too(folders):
    case = ("qwen", "existing", "plain")
    tokenizer = tokenizer_of(folders, case, DOTS)
    config = ModelConfig(pretrained=str(folders["qwen"]), lora_r=2)
    model = build_model(
        build_tower(TOWER, 0),
        config,
        vocab_size=len(tokenizer),
        num_id=tokenizer.num_id,
        seed=0,
    )
    settings = replace(InferenceConfig(), grammar=False, max_tokens=10)
    predictor = Predictor(model, tokenizer, DOTS, settings)
    (record,) = predictor.predict(NoiseImages(), "", ["1"], show_progress=False)
    assert len(record["text"]) > 0
