"""What is said around an image and its program.

A sequence is ``BOS | image | question | answer``; the loss is on the answer alone. The
answer wraps the program into a fenced code block, as the paper's does.
"""

BOS, EOS, PAD = "<bos>", "<eos>", "<pad>"

QUESTION = "\nWhat Python Blender code could be used to produce the scene?\n"
ANSWER_OPEN = "The scene can be produced with:\n```python\n"
ANSWER_CLOSE = "```"


def answer(program: str) -> str:
    r"""The answer that holds `program`.

    >>> answer("add()\n")
    'The scene can be produced with:\n```python\nadd()\n```'
    """
    return f"{ANSWER_OPEN}{program}{ANSWER_CLOSE}"
