"""The program grammar of a domain, as text for llguidance.

An answer is the fenced block around 1 to `max_objects` lines. A line holds every
attribute exactly once; a yaw at most once, and beside no other shape than a cube. Words
are those of the vocabulary and their synonyms, numbers are written as
`ProgramSyntax.format_number` writes them, up to 99.999, or are ``[NUM]``.
"""

import json
import re
from collections.abc import Iterable, Iterator

from igllm_pipelines.scene.program import ADD, END, ProgramSyntax
from igllm_pipelines.tokens.conversation import ANSWER_CLOSE, ANSWER_OPEN

_TURNING = "cube"  # the shape that has a yaw
_COMMA = '", "'


class GrammarError(ValueError):
    """The grammar could not be made or compiled, or a token left it."""


def lark_grammar(
    syntax: ProgramSyntax,
    max_objects: int,
    *,
    num_id: int | None,
    canonical_order: bool = False,
    answer_open: str = ANSWER_OPEN,
) -> str:
    """The grammar of an answer in llguidance's Lark dialect.

    Args:
        syntax: of the domain.
        max_objects: most lines of a program.
        num_id: id of ``[NUM]``; None where numbers are text.
        canonical_order: attributes stand in the syntax' order, else in any.
        answer_open: what an answer begins with.

    Raises:
        GrammarError: the syntax' number format is none of fixed decimals.
    """
    rules = [
        # or text that must follow is cut into other tokens than the model has learned
        '%llguidance {"no_forcing": true}',
        f"start: {_quote(answer_open)} line{{1,{max_objects}}} {_quote(ANSWER_CLOSE)}",
        f"line: {_quote(ADD)} after_0",
        f"num: {_number(syntax) if num_id is None else f'<[{num_id}]>'}",
        *(f"{name}: {_value(name, syntax)}" for name in syntax.attributes),
        *_turning_rules(syntax),
        *_orders(syntax, canonical_order),
    ]
    return "\n".join(rules) + "\n"


def turning_arguments(syntax: ProgramSyntax) -> tuple[str, ...]:
    """The arguments beside which a yaw may stand, where not every shape has one.

    >>> syntax = ProgramSyntax(("shape", "rotation"), {"shape": ("cube", "sphere")})
    >>> turning_arguments(syntax)
    ("shape='cube'",)
    """
    if syntax.rotation_rep != "yaw" or not {"shape", "rotation"} <= {
        *syntax.attributes
    }:
        return ()
    words = syntax.words["shape"]
    spellings = syntax.spellings("shape", _TURNING) if _TURNING in words else ()
    return tuple(f"shape='{word}'" for word in spellings)


def _turning_rules(syntax: ProgramSyntax) -> Iterator[str]:
    """Shapes that have a yaw, and those that have none."""
    turning = turning_arguments(syntax)
    others = [text for text in _words("shape", syntax) if text not in turning]
    for name, texts in (("turning", turning), ("upright", others)):
        if turning and texts:
            yield f"{name}: {_any_of(texts)}"


def _orders(syntax: ProgramSyntax, canonical: bool) -> Iterator[str]:
    """One rule for each set of attributes that a line may already hold."""
    yaw = _bit("rotation", syntax) if syntax.rotation_rep == "yaw" else 0
    everything = (1 << len(syntax.attributes)) - 1
    reachable = [0]
    for held in reachable:
        options = [_quote(END)] if held | yaw == everything else []
        for index, name in enumerate(syntax.attributes):
            before = ((1 << index) - 1) & ~yaw
            in_order = held & ~yaw == before
            if held & 1 << index or (canonical and not in_order):
                continue
            comma = f"{_COMMA} " if held else ""
            for rule, then in _choices(name, held, held | 1 << index, yaw, syntax):
                options.append(f"{comma}{rule} after_{then}")
                if then not in reachable:
                    reachable.append(then)
        yield f"after_{held}: {' | '.join(options)}"


def _choices(
    name: str, held: int, then: int, yaw: int, syntax: ProgramSyntax
) -> Iterator[tuple[str, int]]:
    """Rules of an attribute, each with what the line then holds or may not hold."""
    turning = turning_arguments(syntax)
    if name != "shape" or not turning:
        yield name, then
        return
    yield "turning", then
    if len(turning) < len(_words("shape", syntax)) and not held & yaw:
        yield "upright", then | yaw


def _bit(name: str, syntax: ProgramSyntax) -> int:
    names = syntax.attributes
    return 1 << names.index(name) if name in names else 0


def _value(name: str, syntax: ProgramSyntax) -> str:
    count = syntax.num_components(name)
    if not count:
        return _any_of(_words(name, syntax))
    numbers = f" {_COMMA} ".join(["num"] * count)
    if count > 1:
        numbers = f"{_quote('(')} {numbers} {_quote(')')}"
    return f"{_quote(name + '=')} {numbers}"


def _words(name: str, syntax: ProgramSyntax) -> list[str]:
    """Every argument that a word attribute can be."""
    spellings = (
        s for w in syntax.words.get(name, ()) for s in syntax.spellings(name, w)
    )
    return list(dict.fromkeys(f"{name}='{word}'" for word in spellings))


def _any_of(texts: Iterable[str]) -> str:
    return " | ".join(map(_quote, texts))


def _number(syntax: ProgramSyntax) -> str:
    """A number as `ProgramSyntax.format_number` writes it."""
    form = re.fullmatch(r"(\+?)\.([1-9][0-9]*)f", syntax.number_format)
    if form is None:
        raise GrammarError(
            f"number_format {syntax.number_format!r}: only fixed decimals, with a sign "
            "or without, such as '+.3f', can be decoded under the grammar"
        )
    sign = "[+\\-]" if form[1] else "-?"
    return f"/{sign}([0-9]|[1-9][0-9])\\.[0-9]{{{form[2]}}}/"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
