"""Markdown pages as tests read them: code blocks, shell commands, tables, links."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

_FENCE = re.compile(r"^ *```([a-z]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_SUBSTITUTION = re.compile(r"\$\([^()]*\)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]+=")
_SPAN = re.compile(r"``(.+?)``|`([^`\n]+)`")


class Block(NamedTuple):
    """A fenced block: where it stands, its language, its text without indentation."""

    page: str
    line: int
    language: str
    text: str


class Command(NamedTuple):
    """A simple command of a shell block, and the folder that ``cd`` had gone to."""

    where: str
    words: tuple[str, ...]
    folder: str


def blocks(path: Path) -> list[Block]:
    """All fenced blocks of a page."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(path.name, text.count("\n", 0, m.start()) + 1, m[1], dedent(m[2]))
        for m in _FENCE.finditer(text)
    ]


def commands(block: Block) -> Iterator[Command]:
    """The commands of a shell block; variables that are set before one are left out."""
    folder = "."
    for line in block.text.replace("\\\n", " ").splitlines():
        for words in _simple_commands(_SUBSTITUTION.sub("SUBSTITUTED", line)):
            if words[0] == "cd":
                folder = words[1]
            yield Command(f"{block.page}:{block.line}", tuple(words), folder)


def _simple_commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set(";&|"):
            if words:
                yield words
            words = []
        elif words or not _ASSIGNMENT.match(word):
            words.append(word)


def links(path: Path) -> list[str]:
    """Targets of links and images that lie in the project, without anchors."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    targets = [target for target in _LINK.findall(text) if "://" not in target]
    return [file for target in targets if (file := target.partition("#")[0])]


def spans(path: Path) -> list[str]:
    """Texts between single or double backticks."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    return [double or single for double, single in _SPAN.findall(text)]


def table(path: Path, head: str) -> list[list[str]]:
    """Rows of the table whose head row begins with ``| head |``, cell by cell."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next(i for i, text in enumerate(lines) if text.startswith(f"| {head} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def named(cell: str) -> tuple[str, ...]:
    """What a cell writes between backticks."""
    return tuple(re.findall(r"`([^`]+)`", cell))
