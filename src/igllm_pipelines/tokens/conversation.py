"""What is said around an image and its program.

A sequence is ``before | image | question | answer | end``; the loss is on the answer
and the end alone. The answer wraps the program into a fenced code block, as the
paper's does.
"""

from typing import Any, NamedTuple

BOS, EOS, PAD = "<bos>", "<eos>", "<pad>"

QUESTION = "\nWhat Python Blender code could be used to produce the scene?\n"
ANSWER_OPEN = "The scene can be produced with:\n```python\n"
ANSWER_CLOSE = "```"

# the system prompt of Vicuna 1.1 and later
_VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
# they stand for image and answer while a chat template is read
_IMAGE, _ANSWER = "\ue000", "\ue001"


class TemplateError(ValueError):
    """A tokenizer has no chat template, or one that cannot be used."""


class Conversation(NamedTuple):
    """The text around image and program.

    Attributes:
        before: what stands before the image; special tokens are written out.
        question: what stands between the image and the answer.
        lead: what the answer begins with, a space or nothing.
        after: what a chat template writes behind the answer.
    """

    before: str = ""
    question: str = QUESTION
    lead: str = ""
    after: str = ""

    @property
    def answer_open(self) -> str:
        """The answer up to the program's first line."""
        return self.lead + ANSWER_OPEN


PLAIN = Conversation()
VICUNA = Conversation(
    before=f"{_VICUNA} USER: ", question=f"{QUESTION.rstrip()} ASSISTANT:", lead=" "
)


def answer(program: str) -> str:
    r"""The answer that holds `program`.

    >>> answer("add()\n")
    'The scene can be produced with:\n```python\nadd()\n```'
    """
    return f"{ANSWER_OPEN}{program}{ANSWER_CLOSE}"


def conversation(template: str, tokenizer: Any) -> Conversation:
    """The conversation of a template.

    Args:
        template: ``plain``, ``vicuna_v1`` or ``chat``.
        tokenizer: of transformers; its chat template is read for ``chat``.

    Raises:
        TemplateError: the tokenizer has no chat template, or one that drops what the
            user or the assistant says.
        ValueError: `template` is unknown.
    """
    if template == "chat":
        return _chat(tokenizer)
    known = {"plain": PLAIN, "vicuna_v1": VICUNA}
    if template not in known:
        raise ValueError(f"unknown template {template!r}: {', '.join(known)} or chat")
    return known[template]


def _chat(tokenizer: Any) -> Conversation:
    if not tokenizer.chat_template:
        raise TemplateError(
            "this tokenizer has no chat template; set model.template to vicuna_v1 or "
            "plain"
        )
    asked = {"role": "user", "content": _IMAGE + QUESTION.rstrip()}
    answered = {"role": "assistant", "content": _ANSWER}
    prompt = tokenizer.apply_chat_template(
        [asked], tokenize=False, add_generation_prompt=True
    )
    whole = tokenizer.apply_chat_template([asked, answered], tokenize=False)
    before, image, question = prompt.partition(_IMAGE)
    _, mark, after = whole.partition(_ANSWER)
    if not image or not mark:
        raise TemplateError(
            "this tokenizer's chat template drops what is said; set model.template to "
            "vicuna_v1 or plain"
        )
    opened = ""
    if whole.startswith(prompt):
        opened = whole[len(prompt) : -len(mark + after)]
    lead = opened if opened == " " else ""
    # what a template puts before every answer is no part of what is learned
    return Conversation(before, question + opened.removeprefix(lead), lead, after)
