"""A byte-level BPE of a domain's programs, for language models trained from scratch.

The text is first cut so that every word attribute, bracket and digit stands alone;
the BPE then merges each piece into one token. Its corpus is every piece that a program
of the domain can hold, so the tokenizer does not depend on which scenes were drawn.
"""

from collections.abc import Iterator

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from igllm_pipelines.scene.program import ADD, END, NUM, ProgramSyntax
from igllm_pipelines.tokens.conversation import (
    ANSWER_CLOSE,
    ANSWER_OPEN,
    BOS,
    EOS,
    PAD,
    QUESTION,
)
from igllm_pipelines.tokens.program_tokenizer import ProgramTokenizer

SEPARATOR = ", "
_LARGEST_VOCABULARY = 4096
# a word attribute with what follows it | a name | brackets | a digit, sign or point
_PIECE = r"add\(|\w+='[^']*'(?:, |\)\n)|[a-z]+=\(?|\)?(?:, |\)\n)|[0-9]|[+\-.]"


def pieces(syntax: ProgramSyntax) -> Iterator[str]:
    """Every piece of text that a conversation about the domain can hold."""
    yield from (QUESTION, ANSWER_OPEN, ANSWER_CLOSE, ADD)
    for name in syntax.attributes:
        if syntax.num_components(name):
            yield from (f"{name}=", f"{name}=(")
        for word in syntax.words.get(name, ()):
            for spelling in syntax.spellings(name, word):
                yield from (f"{name}='{spelling}'{end}" for end in (SEPARATOR, END))
    yield from (SEPARATOR, END, f"){SEPARATOR}", f"){END}")
    yield from "0123456789+-."


def train_tokenizer(syntax: ProgramSyntax) -> ProgramTokenizer:
    """Trains the tokenizer of a domain; the same syntax gives the same tokenizer."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECE), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_LARGEST_VOCABULARY,
        min_frequency=1,
        special_tokens=[PAD, BOS, EOS, NUM],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(pieces(syntax), trainer)
    base = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        extra_special_tokens=[NUM],
        clean_up_tokenization_spaces=False,
    )
    pad, bos, eos, num = base.convert_tokens_to_ids([PAD, BOS, EOS, NUM])
    return ProgramTokenizer(base, num_id=num, end_id=eos, pad_id=pad, prefix_ids=[bos])
