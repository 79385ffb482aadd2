import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from igllm_pipelines.datasets.tokens import TokenizerDataset, TokensDataset
from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.scene import (
    Scene,
    SceneObject,
    fill_numbers,
    parse_program,
    write_program,
)
from igllm_pipelines.tokens.conversation import BOS, EOS, QUESTION, answer
from igllm_pipelines.tokens.encoding import encode_scenes
from igllm_pipelines.tokens.sequences import IGNORE, ProgramTokens, collate
from igllm_pipelines.tokens.tokenizer import train_tokenizer
from tests.scene.strategies import clevr_scenes

SYNTAX = DOMAINS["clevr"].syntax
TOKENIZER = train_tokenizer(SYNTAX)
SCENE = Scene(
    (
        SceneObject(
            size="large",
            color="red",
            material="metal",
            shape="cube",
            location=(0.1234, -1.5, 0.7),
            rotation=(1, 0, 0, 0),
            pixel_coords=(1, 2, 3),
        ),
        SceneObject(shape="sphere", location=(1, 2, 0.35), pixel_coords=(5, 2, 3)),
    ),
    "a.png",
)


def tokens_of(scenes, encoding):
    return ProgramTokens(encode_scenes(scenes, SYNTAX, encoding, TOKENIZER))


def program_of(sequence):
    text = TOKENIZER.decode(sequence.ids)
    numbers = sequence.numbers[sequence.ids == TOKENIZER.num_id]
    return fill_numbers(text, numbers.tolist(), SYNTAX)


@pytest.mark.parametrize("encoding", ["char", "float"])
def test_canonical_sequence_is_the_conversation(encoding):
    tokens = tokens_of([SCENE], encoding)
    sequence = tokens.sequence(0, None)
    expected = QUESTION + answer(write_program(SCENE, SYNTAX)) + EOS
    assert program_of(sequence) == expected
    assert TOKENIZER.decode(tokens.prefix_ids) == BOS
    assert tokens.program(0) == write_program(SCENE, SYNTAX)


@pytest.mark.parametrize("encoding", ["char", "float"])
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(scene=clevr_scenes)
def test_decode_of_encode_is_the_scene(encoding, scene):
    tokens = tokens_of([scene], encoding)
    text = program_of(tokens.sequence(0, np.random.default_rng(len(scene.objects))))
    parsed = parse_program(text, SYNTAX)
    assert write_program(parsed, SYNTAX) == write_program(scene, SYNTAX)


@pytest.mark.parametrize("encoding", ["char", "float"])
def test_shuffled_runs_equal_tokenized_text(encoding):
    tokens = tokens_of([SCENE], encoding)
    for seed in range(20):
        ids = tokens.sequence(0, np.random.default_rng(seed)).ids.tolist()
        text = TOKENIZER.decode(ids)
        assert TOKENIZER.encode([text]) == [ids]


def test_draws_depend_on_the_generator_alone():
    tokens = tokens_of([SCENE], "float")
    draws = [
        [program_of(tokens.sequence(0, np.random.default_rng(s))) for s in range(20)]
        for _ in range(2)
    ]
    assert len(set(draws[0])) > 10
    assert draws[0] == draws[1]


def test_augmentations_can_be_switched_off():
    tokens = tokens_of([SCENE], "float")
    rng = np.random.default_rng(0)
    plain = tokens.sequence(0, rng, shuffle_attributes=False, draw_synonyms=False)
    np.testing.assert_array_equal(plain.ids, tokens.sequence(0, None).ids)


def test_loss_is_on_the_answer_alone():
    sequence = tokens_of([SCENE], "char").sequence(0, None)
    labelled = sequence.labels != IGNORE
    assert TOKENIZER.decode(sequence.ids[~labelled]) == QUESTION
    np.testing.assert_array_equal(sequence.labels[labelled], sequence.ids[labelled])


def test_char_has_no_numbers_and_float_has_three_decimals():
    assert not tokens_of([SCENE], "char").sequence(0, None).numbers.any()
    numbers = tokens_of([SCENE], "float").sequence(0, None).numbers
    expected = [0.123, -1.5, 0.7, -0.785, 1, 2, 0.35]
    np.testing.assert_allclose(numbers[numbers != 0], expected, rtol=1e-6)


@pytest.mark.parametrize("encoding", ["char", "float"])
def test_lengths_are_those_of_the_canonical_programs(encoding):
    small = Scene(SCENE.objects[1:], "c.png")
    table = encode_scenes(
        [SCENE, Scene((), "b.png"), small, SCENE], SYNTAX, encoding, TOKENIZER
    )
    for rows in (table, table.slice(1), table.slice(0, 0)):
        tokens = ProgramTokens(rows)
        expected = [len(tokens.sequence(i, None).ids) for i in range(len(tokens))]
        assert tokens.lengths().tolist() == expected


def test_collate_pads_on_the_right():
    tokens = tokens_of([SCENE, Scene((), "b.png")], "float")
    sequences = [tokens.sequence(i, None) for i in range(2)]
    batch = collate(sequences, tokens.pad_id)
    short = len(sequences[1].ids)
    assert batch["attention_mask"].sum(1).tolist() == [len(s.ids) for s in sequences]
    assert (batch["input_ids"][1, short:] == tokens.pad_id).all()
    assert (batch["labels"][1, short:] == IGNORE).all()
    assert batch["numbers"].dtype.is_floating_point


def test_unknown_encoding_is_an_error():
    with pytest.raises(ValueError, match="unknown encoding 'words'"):
        encode_scenes([SCENE], SYNTAX, "words", TOKENIZER)


def test_datasets_round_trip(tmp_path):
    table = encode_scenes([SCENE], SYNTAX, "float", TOKENIZER)
    dataset = TokensDataset(filepath=str(tmp_path / "tokens"))
    dataset.save({"val_ID": table})
    dataset.save({"train": table})
    loaded = dataset.load()
    assert list(loaded) == ["train"]
    expected = ProgramTokens(table).sequence(0, None).ids
    np.testing.assert_array_equal(loaded["train"].sequence(0, None).ids, expected)
    tokenizer = TokenizerDataset(filepath=str(tmp_path / "tokenizer"))
    assert not tokenizer.exists()
    tokenizer.save(TOKENIZER)
    assert tokenizer.load().base.get_vocab() == TOKENIZER.base.get_vocab()


def test_tables_of_a_split_are_memory_mapped(tmp_path):
    dataset = TokensDataset(filepath=str(tmp_path))
    dataset.save({"train": encode_scenes([SCENE] * 500, SYNTAX, "char", TOKENIZER)})
    before = pa.total_allocated_bytes()
    loaded = dataset.load()["train"]
    assert len(loaded) == 500
    assert pa.total_allocated_bytes() - before < 50_000
