from functools import cache

import numpy as np
import pytest

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.scene import Scene, SceneObject, fill_numbers, write_program
from igllm_pipelines.tokens.conversation import TemplateError, answer
from igllm_pipelines.tokens.encoding import encode_scenes
from igllm_pipelines.tokens.pretrained import pretrained_tokenizer
from igllm_pipelines.tokens.program_tokenizer import ProgramTokenizer, TokenizerError
from igllm_pipelines.tokens.sequences import IGNORE, ProgramTokens
from igllm_pipelines.tokens.tokenizer import train_tokenizer
from tests.model.pretrained import byte_fallback_tokenizer, byte_level_tokenizer

SYNTAX = DOMAINS["clevr"].syntax
SCENE = Scene(
    tuple(
        SceneObject(
            size="large",
            color=color,
            material="metal",
            shape=shape,
            location=(0.1234, -1.5, 0.7),
            rotation=(1, 0, 0, 0),
            pixel_coords=(place, 2, 3),
        )
        for place, (color, shape) in enumerate([("red", "cube"), ("cyan", "sphere")])
    ),
    "a.png",
)
KINDS = {"llama": byte_fallback_tokenizer, "qwen": byte_level_tokenizer}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("tokenizers")
    for name, make in KINDS.items():
        make().save_pretrained(root / name)
    return root


@pytest.fixture(scope="module")
def load(folders):
    """Pretrained tokenizers, each made once."""

    @cache
    def make(kind, num_token="existing", template="plain"):
        source = str(folders / kind)
        return pretrained_tokenizer(
            source, SYNTAX, num_token=num_token, template=template
        )

    return make


CASES = [
    ("llama", "existing", "plain"),
    ("llama", "added", "vicuna_v1"),
    ("qwen", "existing", "chat"),
    ("qwen", "added", "vicuna_v1"),
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("encoding", ["char", "float"])
def test_canonical_sequence_is_the_conversation(load, case, encoding):
    tokenizer = load(*case)
    tokens = ProgramTokens(encode_scenes([SCENE], SYNTAX, encoding, tokenizer))
    sequence = tokens.sequence(0, None)
    numbers = sequence.numbers[sequence.ids == tokenizer.num_id].tolist()
    assert sequence.ids[-1] == tokenizer.end_id
    said = fill_numbers(tokenizer.decode(sequence.ids[:-1]), numbers, SYNTAX)
    talk = tokenizer.conversation
    program = write_program(SCENE, SYNTAX)
    assert said == talk.question + talk.lead + answer(program)
    assert len(numbers) == (0 if encoding == "char" else 7)
    unlabelled = sequence.ids[sequence.labels == IGNORE]
    assert tokenizer.decode(unlabelled) == talk.question


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("encoding", ["char", "float"])
def test_runs_are_cut_where_the_tokenizer_cuts(load, case, encoding):
    """Shuffled runs are the tokens of the whole text, for pretrained models know it."""
    tokenizer = load(*case)
    tokens = ProgramTokens(encode_scenes([SCENE], SYNTAX, encoding, tokenizer))
    orders = set()
    for seed in range(20):
        ids = tokens.sequence(0, np.random.default_rng(seed)).ids.tolist()[:-1]
        text = tokenizer.decode(ids)
        assert tokenizer.encode([text]) == [ids]
        orders.add(text)
    assert len(orders) > 10


@pytest.mark.parametrize("case", CASES)
def test_lengths_are_those_of_canonical_sequences(load, case):
    tokenizer = load(*case)
    tokens = ProgramTokens(encode_scenes([SCENE] * 2, SYNTAX, "char", tokenizer))
    expected = [len(tokens.sequence(i, None).ids) for i in range(2)]
    assert tokens.lengths().tolist() == expected


@pytest.mark.parametrize("kind", KINDS)
def test_existing_number_token_is_rare_and_stands_alone(load, folders, kind):
    tokenizer = load(kind)
    text = tokenizer.base.decode([tokenizer.num_id])
    assert not any(c.isascii() for c in text.strip())
    again = pretrained_tokenizer(
        str(folders / kind), SYNTAX, num_token="existing", template="plain"
    )
    assert again.num_id == tokenizer.num_id
    assert len(tokenizer) == len(KINDS[kind]())  # nothing is added
    with pytest.raises(TokenizerError, match="stands for numbers"):
        tokenizer.encode([f"color='{text.strip()}',"])


@pytest.mark.parametrize("kind", KINDS)
def test_existing_number_token_is_none_that_the_domain_says(load, folders, kind):
    from dataclasses import replace

    taken = load(kind).base.decode([load(kind).num_id]).strip()
    syntax = replace(SYNTAX, words={**SYNTAX.words, "color": (taken, "red")})
    other = pretrained_tokenizer(
        str(folders / kind), syntax, num_token="existing", template="plain"
    )
    assert other.num_id != load(kind).num_id
    assert other.decode(other.encode([f"color='{taken}',"])[0]) == f"color='{taken}',"


@pytest.mark.parametrize("kind", KINDS)
def test_added_number_token_is_one_more(load, kind):
    tokenizer = load(kind, "added")
    assert tokenizer.num_id == len(tokenizer) - 1 == len(KINDS[kind]())


@pytest.mark.parametrize("case", CASES)
def test_saved_tokenizer_is_the_same(load, case, tmp_path):
    tokenizer = load(*case)
    tokenizer.save(tmp_path)
    loaded = ProgramTokenizer.load(tmp_path)
    assert loaded.base.get_vocab() == tokenizer.base.get_vocab()
    text = "add(loc=([NUM], [NUM]), color='red')\n"
    assert loaded.encode([text]) == tokenizer.encode([text])
    assert loaded.decode(loaded.encode([text])[0]) == text
    for name in ("num_id", "end_id", "pad_id", "prefix_ids", "conversation", "anchor"):
        assert getattr(loaded, name) == getattr(tokenizer, name)


def test_scratch_tokenizer_needs_no_anchor_and_saves_too(tmp_path):
    tokenizer = train_tokenizer(SYNTAX)
    tokenizer.save(tmp_path)
    loaded = ProgramTokenizer.load(tmp_path)
    assert (loaded.anchor, loaded.spaced) == ("", False)
    assert loaded.question_ids == tokenizer.question_ids
    with pytest.raises(TokenizerError, match="tokenize again"):
        ProgramTokenizer.load(tmp_path / "nowhere")


def test_vicuna_template_is_the_one_of_the_paper(load):
    tokenizer = load("llama", "added", "vicuna_v1")
    before = tokenizer.base.decode(tokenizer.prefix_ids)
    assert before.startswith("<s>")
    assert before.endswith("answers to the user's questions. USER: ")
    asked = tokenizer.decode([*tokenizer.question_ids, *tokenizer.answer_open_ids])
    assert asked == (
        "\nWhat Python Blender code could be used to produce the scene? ASSISTANT: "
        "The scene can be produced with:\n```python\n"
    )
    assert tokenizer.end_id == tokenizer.base.eos_token_id


def test_chat_template_stands_around_question_and_answer(load):
    tokenizer = load("qwen", "existing", "chat")
    base = tokenizer.base
    assert base.decode(tokenizer.prefix_ids) == "<|im_start|>user\n"
    start = base.convert_tokens_to_ids("<|im_start|>")
    assert tokenizer.question_ids.count(start) == 1
    assert tokenizer.conversation.question == (
        "\nWhat Python Blender code could be used to produce the scene?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert tokenizer.end_id == base.convert_tokens_to_ids("<|im_end|>")


def test_chat_template_with_a_space_before_the_answer(folders, tmp_path):
    base = byte_fallback_tokenizer()
    base.chat_template = (
        "{% for m in messages %}{% if m.role == 'user' %}<s>[INST] {{ m.content }} "
        "[/INST]{% else %} {{ m.content }} </s>{% endif %}{% endfor %}"
    )
    base.save_pretrained(tmp_path)
    tokenizer = pretrained_tokenizer(
        str(tmp_path), SYNTAX, num_token="existing", template="chat"
    )
    assert tokenizer.conversation.lead == " "
    assert tokenizer.conversation.question.endswith("scene? [/INST]")
    assert tokenizer.end_id == base.eos_token_id
    assert tokenizer.prefix_ids[0] == base.bos_token_id
    assert tokenizer.prefix_ids.count(base.bos_token_id) == 1


def test_tokenizer_without_chat_template_says_so(folders):
    with pytest.raises(TemplateError, match="vicuna_v1"):
        pretrained_tokenizer(
            str(folders / "llama"), SYNTAX, num_token="existing", template="chat"
        )


def test_tokenizer_without_rare_token_says_so(tmp_path):
    train_tokenizer(SYNTAX).base.save_pretrained(tmp_path)
    with pytest.raises(TokenizerError, match="model.num_token to added"):
        pretrained_tokenizer(
            str(tmp_path), SYNTAX, num_token="existing", template="plain"
        )


def test_missing_tokenizer_says_what_to_do(tmp_path):
    with pytest.raises(TokenizerError, match="model.pretrained"):
        pretrained_tokenizer(
            str(tmp_path / "nowhere"), SYNTAX, num_token="existing", template="plain"
        )


def test_word_that_a_tokenizer_loses_is_named(tmp_path):
    from dataclasses import replace

    from tokenizers import normalizers

    base = byte_level_tokenizer()
    base.backend_tokenizer.normalizer = normalizers.Lowercase()
    base.save_pretrained(tmp_path)
    lower = replace(SYNTAX, words={**SYNTAX.words, "shape": ("cube", "Sofa_1")})
    with pytest.raises(TokenizerError, match="does not give the text"):
        pretrained_tokenizer(
            str(tmp_path), lower, num_token="existing", template="plain"
        )
