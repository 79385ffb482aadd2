"""Beam search says what the library's says, and more: it reads numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.infer.beams import Beams
from igllm_pipelines.infer.rows import arranged
from igllm_pipelines.scene.parser import parse_program
from tests.infer.machines import (
    PROMPT,
    answers,
    pictures,
    ragged_end,
    random_model,
)
from tests.infer.test_decode import assert_same
from tests.infer.test_predict import CONFIG, predict

VISION = pictures(9)
LIMIT = 16


def beams(end_id, num_beams=3, length_penalty=1.0, max_tokens=LIMIT):
    return Beams(num_beams, end_id, max_tokens, length_penalty)


def generated(model, vision, end_id, num_beams, length_penalty):
    """The library's beam search, one image at a time, and its score."""
    prefix, question = PROMPT
    embeddings = model.embed(vision, prefix, question[None])
    found = model.language_model.generate(
        inputs_embeds=embeddings,
        attention_mask=torch.ones(embeddings.shape[:2], dtype=torch.int64),
        max_new_tokens=LIMIT,
        do_sample=False,
        num_beams=num_beams,
        length_penalty=length_penalty,
        eos_token_id=end_id,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_scores=True,
    )
    ids = found.sequences[0].tolist()
    ids = ids[: ids.index(end_id)] if end_id in ids else ids
    return ids, float(found.sequences_scores[0])


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
@pytest.mark.parametrize(("num_beams", "penalty"), [(2, 1.0), (4, 0.0), (3, 0.5)])
def test_beams_are_those_of_the_library(kind, num_beams, penalty):
    model = random_model(kind)  # without feedback the library can search too
    end_id = ragged_end(model, VISION, LIMIT)
    search = beams(end_id, num_beams, penalty)
    found = answers(model, VISION, search=search, batch_size=4)
    greedy = answers(model, VISION, end_id=end_id, max_tokens=LIMIT)
    for place, answer in enumerate(found):
        with torch.no_grad():
            ids, score = generated(
                model, VISION[place : place + 1], end_id, num_beams, penalty
            )
        assert answer.ids == ids
        length = len(ids) + answer.finished
        assert answer.log_probability / length**penalty == pytest.approx(
            score, abs=1e-4
        )
    assert [answer.ids for answer in found] != [answer.ids for answer in greedy]


@pytest.mark.parametrize("heads", [{}, {"value_feedback": True}])
def test_numbers_follow_their_beam(heads):
    """One full pass over what a beam said reads its numbers again."""
    model = random_model(**heads)
    end_id = ragged_end(model, VISION, LIMIT)
    found = answers(model, VISION, search=beams(end_id, 4), batch_size=3)
    assert sum(len(answer.numbers) > 1 for answer in found) > 3
    for place, answer in enumerate(found):
        ids = torch.cat([PROMPT.question, torch.tensor(answer.ids)])[None]
        numbers = torch.zeros(ids.shape)
        numbers[ids == model.num_id] = torch.tensor(answer.numbers)
        with torch.no_grad():
            vision = VISION[place : place + 1]
            embeddings = model.embed(vision, PROMPT.prefix, ids, numbers)
            before = model.hidden_states(embeddings)[:, -ids.shape[1] - 1 : -1]
            values = model.numbers(before[ids == model.num_id]).value
        np.testing.assert_allclose(answer.numbers, values, atol=1e-5)


def test_batch_size_changes_nothing_of_beams():
    model = random_model("qwen2", value_feedback=True)
    end_id = ragged_end(model, VISION, LIMIT)
    alone = answers(model, VISION, search=beams(end_id), batch_size=1)
    for batch_size in (3, 8):
        found = answers(model, VISION, search=beams(end_id), batch_size=batch_size)
        assert_same(found, alone)


def test_one_beam_is_the_likeliest_token():
    model = random_model(value_feedback=True)
    end_id = ragged_end(model, VISION, LIMIT)
    greedy = answers(model, VISION, end_id=end_id, max_tokens=LIMIT)
    assert_same(answers(model, VISION, search=beams(end_id, 1)), greedy)


def test_many_beams_find_the_likeliest_answer():
    """With as many beams as there are answers of two tokens nothing is missed."""
    model = random_model()
    vision = VISION[:2]
    vocabulary = model.language_model.config.vocab_size
    search = beams(-1, vocabulary, 0.0, max_tokens=2)
    found = answers(model, vision, search=search)
    for place, answer in enumerate(found):
        first = torch.arange(vocabulary)[:, None]
        ids = torch.cat([PROMPT.question.expand(vocabulary, -1), first], dim=1)
        pictured = vision[place : place + 1].expand(vocabulary, -1, -1, -1)
        with torch.no_grad():
            states = model.hidden_states(model.embed(pictured, PROMPT.prefix, ids))
            scores = model.logits(states[:, -2:]).log_softmax(-1)
        pairs = scores[0, 0][:, None] + scores[:, 1]
        assert answer.log_probability == pytest.approx(float(pairs.max()), abs=1e-4)
        assert answer.ids == list(divmod(int(pairs.argmax()), vocabulary))


@pytest.mark.parametrize("text", [False, True])
def test_beams_under_the_grammar_parse_in_any_batch(text):
    config = replace(CONFIG, num_beams=3, max_objects=2)
    found = predict("2d", config, text=text)
    alone = predict("2d", replace(config, batch_size=1), text=text)
    greedy = predict("2d", replace(config, num_beams=1), text=text)
    texts = [record["text"] for record in found]
    assert texts == [record["text"] for record in alone]
    assert texts != [record["text"] for record in greedy]
    for record in found:
        parse_program(record["program"], DOMAINS["2d"].syntax)
        assert len(record["numbers"]) == record["text"].count("[NUM]")


@pytest.mark.parametrize(
    "parents", [[], [0], [2, 1, 0], [1, 1, 1, 0], [5, 7, 2], [3, 3, 0, 9, 1]]
)
def test_rows_stand_where_their_parent_stood(parents):
    order = arranged(parents)
    assert sorted(order) == list(range(len(parents)))
    at_home = {place for place, row in enumerate(order) if parents[row] == place}
    assert at_home == {parent for parent in parents if parent < len(parents)}
