"""Decoding gives the same answers however rows come, go and stand."""

import numpy as np
import pytest
import torch

from igllm_pipelines.infer.decode import decode
from igllm_pipelines.infer.llama import is_llama
from igllm_pipelines.infer.predict import round_weights
from igllm_pipelines.infer.sampling import Sampler
from igllm_pipelines.infer.search import OneRow
from tests.infer.machines import (
    LANGUAGE_MODELS,
    PROMPT,
    answers,
    pictures,
    ragged_end,
    random_model,
)

VISION = pictures(13)
HEADS = {
    "numbers": {},
    "feedback": {"value_feedback": True},
    "mixture": {"numeric_head": "mixture"},
    "text": {"numeric_head": "none"},
}


def test_models_of_llamas_shape_are_known():
    known = {
        kind
        for kind in LANGUAGE_MODELS
        if is_llama(random_model(kind).language_model.base_model)
    }
    assert known == {"llama", "qwen2", "mistral"}
    base = random_model("llama").language_model.base_model
    base.norm.weight.data = torch.zeros(0)  # as ZeRO-3 leaves weights
    assert not is_llama(base)


def assert_same(found, expected, atol=1e-5):
    for mine, other in zip(found, expected, strict=True):
        assert mine.ids == other.ids
        assert mine.finished == other.finished
        np.testing.assert_allclose(mine.numbers, other.numbers, atol=atol)
        np.testing.assert_allclose(mine.stds, other.stds, atol=atol)
        assert mine.log_probability == pytest.approx(other.log_probability, abs=1e-3)


CASES = [("llama", name) for name in HEADS] + [
    (kind, "feedback") for kind in LANGUAGE_MODELS if kind != "llama"
]


@pytest.mark.parametrize(("kind", "heads"), CASES)
def test_batch_size_changes_nothing_of_ragged_answers(kind, heads):
    model = random_model(kind, **HEADS[heads])
    end_id = ragged_end(model, VISION)
    alone = answers(model, VISION, end_id=end_id, batch_size=1)
    assert len({len(answer.ids) for answer in alone}) > 3
    assert any(answer.numbers for answer in alone) == (model.numeric_head is not None)
    for batch_size in (3, 8):
        found = answers(model, VISION, end_id=end_id, batch_size=batch_size)
        assert_same(found, alone)


@pytest.mark.parametrize("kind", LANGUAGE_MODELS)
def test_answers_are_those_of_full_passes(kind):
    """Each token is the likeliest after all that was said, numbers included."""
    model = random_model(kind, value_feedback=True)
    end_id = ragged_end(model, VISION)
    prefix, question = torch.tensor([1]), torch.tensor([4, 5])
    for place, answer in enumerate(answers(model, VISION, end_id=end_id, batch_size=3)):
        said = [*answer.ids, *[end_id] * answer.finished]
        ids = torch.cat([question, torch.tensor(said)])[None]
        is_number = ids == model.num_id
        numbers = torch.zeros(ids.shape)
        numbers[is_number] = torch.tensor(answer.numbers)
        with torch.no_grad():
            embeddings = model.embed(VISION[place : place + 1], prefix, ids, numbers)
            before = model.hidden_states(embeddings)[0, -len(said) - 1 : -1]
            logits = model.logits(before)
            values = model.numbers(before[torch.tensor(said) == model.num_id]).value
        assert logits.argmax(-1).tolist() == said
        np.testing.assert_allclose(answer.numbers, values, atol=1e-5)
        chosen = logits.log_softmax(-1).gather(1, torch.tensor(said)[:, None]).sum()
        assert answer.log_probability == pytest.approx(float(chosen), abs=1e-3)


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_limit_cuts_answers_and_keeps_the_last_number(limit):
    model = random_model()
    whole = answers(model, VISION, max_tokens=24)
    cut = answers(model, VISION, max_tokens=limit, batch_size=3)
    for mine, other in zip(cut, whole, strict=True):
        assert mine.ids == other.ids[:limit]
        assert len(mine.numbers) == mine.ids.count(model.num_id)
        assert not mine.finished
    assert limit == 1 or any(answer.ids[-1] == model.num_id for answer in cut)


def test_long_answers_outgrow_the_buffers_of_the_cache():
    model = random_model()
    alone = answers(model, VISION[:5], max_tokens=110, batch_size=1)
    assert_same(answers(model, VISION[:5], max_tokens=110, batch_size=2), alone)
    end_id = ragged_end(model, VISION, max_tokens=110)
    options = {"end_id": end_id, "max_tokens": 110}
    alone = answers(model, VISION, batch_size=1, **options)
    assert_same(answers(model, VISION, batch_size=4, **options), alone)


def test_drawn_answers_depend_on_their_image_alone():
    model = random_model()
    end_id = ragged_end(model, VISION)
    search = OneRow(end_id, 24, Sampler(1.5, top_k=10, top_p=0.95))
    options = {"rng": np.random.default_rng, "search": search}
    alone = answers(model, VISION, batch_size=1, **options)
    for batch_size in (3, 8):
        assert_same(answers(model, VISION, batch_size=batch_size, **options), alone)
    assert [a.ids for a in alone] != [a.ids for a in answers(model, VISION)]


def test_rows_are_filled_again_while_others_go_on():
    model = random_model()
    end_id = ragged_end(model, VISION)
    whole = answers(model, VISION, end_id=end_id, batch_size=13)
    lengths = {place: len(answer.ids) for place, answer in enumerate(whole)}
    loaded, complete = [], []

    def load(places):
        loaded.append((len(complete), places.start, places.stop))
        return VISION[places]

    search = OneRow(end_id, 24)
    for place, _ in decode(model, PROMPT, load, 13, search=search, batch_size=4):
        complete.append(place)
    assert sorted(complete) == list(range(13))
    assert complete != sorted(complete)  # longer ones held up no other
    assert lengths[complete[0]] == min(lengths[place] for place in range(4))
    for done, start, stop in loaded:
        assert stop == min(13, done + 4)
        assert start < stop


def test_no_images_have_no_answers():
    assert answers(random_model(), VISION[:0]) == []


def test_seconds_add_up_to_the_time_of_decoding(monkeypatch):
    """A clock that ticks once whenever it is read: each part takes one second."""
    model = random_model()
    end_id = ragged_end(model, VISION)
    ticks = iter(range(10_000))
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    found = answers(model, VISION, end_id=end_id, batch_size=4)
    spent = next(ticks) / 2  # it is read before and after
    assert sum(answer.seconds for answer in found) == pytest.approx(spent)
    assert min(answer.seconds for answer in found) > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_half_precision_decodes_and_reads_numbers(kind, dtype):
    exact = random_model(kind, value_feedback=True)
    rounded = random_model(kind, value_feedback=True)
    round_weights(rounded, dtype)
    assert next(rounded.language_model.parameters()).dtype == dtype
    positions = rounded.language_model.base_model.rotary_emb.inv_freq
    assert positions.dtype == torch.float32
    end_id = ragged_end(exact, VISION)
    options = {"end_id": end_id, "batch_size": 4}
    pairs = zip(
        answers(exact, VISION, **options),
        answers(rounded, VISION, **options),
        strict=True,
    )
    first = [(a, b) for a, b in pairs if a.ids[:4] == b.ids[:4] and a.numbers]
    assert len(first) > len(VISION) // 2  # rounding turns few of the first tokens
    for mine, other in first:
        if mine.ids[:4].count(exact.num_id):
            assert other.numbers[0] == pytest.approx(mine.numbers[0], abs=0.1)
