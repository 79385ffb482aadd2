import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.infer.grammar import GrammarError, ProgramGrammar, unpacked
from igllm_pipelines.infer.predict import program_of
from igllm_pipelines.scene.parser import parse_program
from igllm_pipelines.scene.program import (
    ProgramError,
    ProgramSyntax,
    fill_numbers,
)
from igllm_pipelines.tokens.conversation import answer
from igllm_pipelines.tokens.tokenizer import train_tokenizer
from tests.infer.programs import answer_ids, random_scene, syntax_of

CLEVR, DOTS = DOMAINS["clevr"].syntax, DOMAINS["2d"].syntax
TOKENIZERS = {name: train_tokenizer(DOMAINS[name].syntax) for name in ("clevr", "2d")}
WORDS = "size='large', color='red', material='metal', shape='cube'"


def grammar(domain, text, max_objects=2, canonical=False):
    tokenizer = TOKENIZERS[domain]
    return ProgramGrammar(
        tokenizer,
        len(tokenizer),
        DOMAINS[domain].syntax,
        max_objects,
        numbers_as_text=text,
        canonical_order=canonical,
    )


def allows(compiled, domain, program):
    """Whether every token of the answer with `program` may follow, then the end."""
    tokenizer = TOKENIZERS[domain]
    ids = tokenizer.encode([answer(program)])[0]
    return allows_ids(compiled, [*ids, tokenizer.end_id])


def allows_ids(compiled, ids):
    state = compiled.rows(1)
    for token in ids:
        if not state.allowed()[0, token]:
            return False
        state.accept([token])
    return True


def random_answer(compiled, tokenizer, seed):
    """Tokens drawn among those that may follow, end included."""
    rng, state, ids = np.random.default_rng(seed), compiled.rows(1), []
    while not ids or ids[-1] != tokenizer.end_id:
        ids.append(int(rng.choice(np.flatnonzero(state.allowed()[0].numpy()))))
        state.accept([ids[-1]])
    return ids


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (f"add({WORDS}, loc=([NUM], [NUM], [NUM]), rotation=[NUM])\n", False),
        (f"add({WORDS}, loc=([NUM], [NUM], [NUM]))\n", False),
        (f"add(loc=([NUM], [NUM], [NUM]), {WORDS})\n", False),
        (f"add({WORDS.replace('large', 'big')}, loc=([NUM], [NUM], [NUM]))\n", False),
        (f"add({WORDS}, loc=(+0.123, -1.500, +10.700))\n", True),
    ],
)
def test_grammar_allows_programs(program, text):
    assert allows(grammar("clevr", text), "clevr", program)
    assert allows(grammar("clevr", text), "clevr", program * 2)


@pytest.mark.parametrize(
    ("shape", "has_yaw"), [("cube", True), ("block", True), ("ball", False)]
)
def test_only_cubes_have_a_yaw(shape, has_yaw):
    compiled = grammar("clevr", False)
    words = WORDS.replace("cube", shape)
    place, yaw = "loc=([NUM], [NUM], [NUM])", "rotation=[NUM]"
    assert allows(compiled, "clevr", f"add({words}, {place})\n")
    assert allows(compiled, "clevr", f"add({words}, {place}, {yaw})\n") == has_yaw
    assert allows(compiled, "clevr", f"add({yaw}, {words}, {place})\n") == has_yaw


@pytest.mark.parametrize(
    ("number", "signed", "unsigned"),
    [
        ("+0.000", True, False),
        ("-12.345", True, True),
        ("99.999", False, True),
        ("0.500", False, True),
        ("+01.000", False, False),
        ("+100.000", False, False),
        ("+1.00", False, False),
        ("+.500", False, False),
        ("+1", False, False),
        ("+1e1", False, False),
    ],
)
def test_numbers_are_written_as_the_syntax_says(number, signed, unsigned):
    line = f"add(x={number}, y={number})\n"
    syntax, tokenizer = DOTS, TOKENIZERS["2d"]
    (ids,) = tokenizer.encode([answer(line)])
    for number_format, expected in (("+.3f", signed), (".3f", unsigned)):
        compiled = ProgramGrammar(
            tokenizer,
            len(tokenizer),
            replace(syntax, number_format=number_format),
            1,
            numbers_as_text=True,
        )
        assert allows_ids(compiled, [*ids, tokenizer.end_id]) == expected


def test_number_format_without_fixed_decimals_is_refused():
    with pytest.raises(GrammarError, match="fixed decimals"):
        ProgramGrammar(
            TOKENIZERS["2d"],
            len(TOKENIZERS["2d"]),
            replace(DOTS, number_format="g"),
            1,
            numbers_as_text=True,
        )


def test_words_of_any_kind_are_quoted():
    words = (
        'say "hi"',
        "back\\slash",
        "größe 東",
        "a, b",
        "tab\there",
        "x=(1, 2)",
        "n",
    )
    syntax = ProgramSyntax(("color", "x"), {"color": words})
    tokenizer = train_tokenizer(syntax)
    compiled = ProgramGrammar(
        tokenizer, len(tokenizer), syntax, 1, numbers_as_text=True
    )
    for word in words:
        program = f"add(color='{word}', x=+0.125)\n"
        (ids,) = tokenizer.encode([answer(program)])
        assert allows_ids(compiled, [*ids, tokenizer.end_id])
        assert parse_program(program, syntax).objects[0].color == word


@pytest.mark.parametrize("max_objects", [1, 3])
def test_objects_are_counted(max_objects):
    compiled = grammar("2d", False, max_objects)
    for count in range(max_objects + 2):
        program = "add(x=[NUM], y=[NUM])\n" * count
        assert allows(compiled, "2d", program) == (1 <= count <= max_objects)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("domain", ["clevr", "2d"])
def test_answer_cannot_end_early(domain, text):
    compiled, tokenizer = grammar(domain, text), TOKENIZERS[domain]
    ids = random_answer(compiled, tokenizer, 0)
    state = compiled.rows(1)
    for place, token in enumerate(ids):
        allowed = state.allowed()[0]
        assert allowed[tokenizer.end_id] == (place == len(ids) - 1)
        assert not allowed[[tokenizer.pad_id, *tokenizer.prefix_ids]].any()
        state.accept([token])


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("encoding", ["char", "float", "float_quat", "char_euler"])
def test_programs_of_the_domain_are_allowed(domain, encoding):
    syntax = syntax_of(domain, encoding)
    tokenizer = train_tokenizer(syntax)
    compiled = ProgramGrammar(
        tokenizer,
        len(tokenizer),
        syntax,
        4,
        numbers_as_text=encoding.startswith("char"),
    )
    for seed in range(6):
        rng = np.random.default_rng(seed)
        scene = random_scene(syntax, rng, 1 + seed % 4)
        ids = answer_ids(scene, syntax, encoding, tokenizer, rng)
        assert allows_ids(compiled, ids)


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("", False),
        (f"add({WORDS})\n", False),
        (f"add({WORDS}, size='small', loc=([NUM], [NUM], [NUM]))\n", False),
        (f"add({WORDS}, loc=([NUM], [NUM]))\n", False),
        (f"add({WORDS}, loc=(+0.123, -1.500, +0.700))\n", False),
        (f"add({WORDS}, loc=([NUM], [NUM], [NUM]))\n", True),
        (f"add({WORDS}, loc=(+0.12, -1.500, +0.700))\n", True),
        (f"add({WORDS}, loc=(0.123, -1.500, +0.700))\n", True),
        (f"add({WORDS.replace('red', 'pink')}, loc=([NUM], [NUM], [NUM]))\n", False),
        (f"add({WORDS}, loc=([NUM], [NUM], [NUM]))\n" * 3, False),
    ],
)
def test_grammar_forbids_what_is_no_program(program, text):
    assert not allows(grammar("clevr", text), "clevr", program)


def test_grammar_in_canonical_order_allows_no_other():
    compiled = grammar("2d", False, canonical=True)
    assert allows(compiled, "2d", "add(x=[NUM], y=[NUM])\n")
    assert not allows(compiled, "2d", "add(y=[NUM], x=[NUM])\n")


def test_grammar_in_canonical_order_may_leave_out_a_yaw():
    compiled = grammar("clevr", False, canonical=True)
    line = f"add({WORDS}, loc=([NUM], [NUM], [NUM])"
    assert allows(compiled, "clevr", f"{line})\n")
    assert allows(compiled, "clevr", f"{line}, rotation=[NUM])\n")


@pytest.mark.parametrize("canonical", [False, True])
@pytest.mark.parametrize(
    ("domain", "text"), itertools.product(("clevr", "2d"), (False, True))
)
def test_whatever_the_grammar_allows_parses(domain, text, canonical):
    compiled = grammar(domain, text, canonical=canonical)
    tokenizer, syntax = TOKENIZERS[domain], DOMAINS[domain].syntax
    for seed in range(8):
        ids = random_answer(compiled, tokenizer, seed)
        said = tokenizer.decode(ids[:-1])
        numbers = np.linspace(-2, 2, said.count("[NUM]")).tolist()
        scene = parse_program(program_of(fill_numbers(said, numbers, syntax)), syntax)
        assert 1 <= len(scene.objects) <= 2


def test_parser_refuses_what_the_grammar_guards_against():
    with pytest.raises(ProgramError, match="given twice"):
        parse_program("add(size='small', size='small')\n", CLEVR)


def test_rows_keep_their_own_places():
    compiled = grammar("2d", False)
    tokenizer = TOKENIZERS["2d"]
    (first,) = tokenizer.encode([answer("add(x=[NUM], y=[NUM])\n")])
    state = compiled.rows(2)
    ((other,),) = tokenizer.encode(["y="])
    for step, token in enumerate(first[:3]):
        state.accept([token, token if step < 2 else other])
    masks = state.allowed()
    assert masks[:, tokenizer.num_id].all()
    state.add(1)
    state.select([1, 2])
    assert (state.allowed()[0] == masks[1]).all()
    assert not state.allowed()[1, tokenizer.num_id]


def test_rows_that_stand_twice_part():
    programs = [f"add({first}=[NUM], {then}=[NUM])\n" for first, then in ("xy", "yx")]
    one, other = TOKENIZERS["2d"].encode([answer(program) for program in programs])
    state = grammar("2d", False).rows(1)
    shared = next(i for i, token in enumerate(one) if token != other[i])
    for token in one[:shared]:
        state.accept([token])
    state.select([0, 0])
    for tokens in zip(one[shared:], other[shared:], strict=True):
        assert state.allowed()[[0, 1], list(tokens)].all()
        state.accept(tokens)


def test_rows_refuse_a_token_outside_the_grammar():
    state = grammar("2d", False).rows(1)
    with pytest.raises(GrammarError):
        state.accept([TOKENIZERS["2d"].num_id])


@pytest.mark.parametrize("seed", range(10))
def test_grammar_allows_every_order_in_the_tokens_of_training(seed):
    rng = np.random.default_rng(seed)
    arguments = [*WORDS.split(", "), "loc=([NUM], [NUM], [NUM])", "rotation=[NUM]"]
    program = f"add({', '.join(rng.permutation(arguments))})\n"
    assert allows(grammar("clevr", False), "clevr", program)


NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])]
)
def test_masks_are_unpacked_alike(device):
    packed = np.random.default_rng(0).integers(0, 256, (3, 8), dtype=np.uint8)
    found = unpacked(packed, 61, torch.device(device)).cpu().numpy()
    for row, mask in zip(packed, found, strict=True):
        assert [row[i >> 3] >> (i & 7) & 1 for i in range(61)] == mask.tolist()
