from dataclasses import replace

import pytest

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.scene.program import NUM
from igllm_pipelines.scene.rotations import COMPONENTS
from igllm_pipelines.tokens.conversation import ANSWER_CLOSE, ANSWER_OPEN, QUESTION
from igllm_pipelines.tokens.tokenizer import pieces, train_tokenizer

WORDS = {
    "color": ("blue", "red"),
    "material": ("metal", "rubber"),
    "shape": tuple(f"{c}_{i:04d}" for c in ("chair", "sofa") for i in range(40)),
}


@pytest.fixture(scope="module", params=sorted(DOMAINS))
def syntax(request):
    """The domain's, with words where its data would give them."""
    found = DOMAINS[request.param].syntax
    words = {n: w for n, w in WORDS.items() if n in found.attributes}
    return replace(found, words={**words, **found.words})


@pytest.fixture(scope="module")
def tokenizer(syntax):
    return train_tokenizer(syntax)


def ids_of(tokenizer, text):
    return tokenizer.encode([text])[0]


def test_every_piece_is_one_token(syntax, tokenizer):
    for piece in (*pieces(syntax), QUESTION, ANSWER_OPEN, ANSWER_CLOSE, NUM):
        assert len(ids_of(tokenizer, piece)) == 1, piece


def test_decode_gives_the_text_back(tokenizer):
    for text in ("add(x=0.123, y=0.456)\n", "é ☃ add( \t'", f"loc=({NUM}, {NUM})"):
        assert tokenizer.decode(ids_of(tokenizer, text)) == text


def test_each_digit_is_a_token(tokenizer):
    ids = ids_of(tokenizer, "-10.25")
    assert [tokenizer.decode([i]) for i in ids] == ["-", "1", "0", ".", "2", "5"]


@pytest.mark.parametrize("rep", COMPONENTS)
def test_one_tokenizer_serves_every_representation(syntax, tokenizer, rep):
    other = train_tokenizer(replace(syntax, rotation_rep=rep))
    assert other.base.get_vocab() == tokenizer.base.get_vocab()


def test_training_is_repeatable(syntax, tokenizer):
    assert train_tokenizer(syntax).base.get_vocab() == tokenizer.base.get_vocab()


def test_transformers_reads_a_saved_tokenizer(tmp_path, tokenizer):
    from transformers import AutoTokenizer

    tokenizer.save(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.get_vocab() == tokenizer.base.get_vocab()
    assert loaded.convert_tokens_to_ids(NUM) == tokenizer.num_id
    assert loaded.eos_token_id == tokenizer.end_id
