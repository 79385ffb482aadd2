"""Programs read as columns say what the parser says, one by one."""

import numpy as np
import pytest

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.metrics.programs import parse_programs, read_leniently
from igllm_pipelines.metrics.table import ObjectTable, as_table
from igllm_pipelines.scene import ProgramError, ProgramSyntax, Scene, parse_program

CLEVR = DOMAINS["clevr"].syntax
TURNED = ProgramSyntax(("shape", "loc", "rotation"), rotation_rep="6d")


def parse(program: str, syntax: ProgramSyntax) -> Scene | None:
    try:
        return parse_program(program, syntax)
    except ProgramError:
        return None


def assert_equal(got: ObjectTable, expected: ObjectTable) -> None:
    assert got.starts.tolist() == expected.starts.tolist()
    assert got.parsed.tolist() == expected.parsed.tolist()
    np.testing.assert_allclose(got.location, expected.location, atol=1e-15)
    np.testing.assert_allclose(got.rotation, expected.rotation, atol=1e-15)
    for name, column in expected.words.items():
        assert got.words[name].tolist() == column.tolist()


def draw_program(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(rng.integers(0, 4)):
        arguments = ["size='big'", "color='red'", "shape='cube'", "loc=(1, -.5, +2e-1)"]
        arguments += ["rotation=+0.1", "material='shiny'"]
        kept = rng.permutation(arguments)[: rng.integers(0, 7)].tolist()
        lines.append(f"add({', '.join(kept)})\n")
    text = "".join(lines)
    broken = ("", "x", "add(", "loc=(1, 2)", "'red', color='blue'", "add(size='huge')")
    if rng.uniform() < 0.3:
        place = rng.integers(0, len(text) + 1)
        text = text[:place] + str(rng.choice(broken)) + text[place:]
    return f"Here:\n```python\n{text}```" if rng.uniform() < 0.5 else text


def test_columns_equal_the_parser() -> None:
    rng = np.random.default_rng(0)
    programs = [draw_program(rng) for _ in range(400)]
    expected = as_table([parse(program, CLEVR) for program in programs])
    assert 0 < expected.parsed.sum() < 400
    assert_equal(parse_programs(programs, CLEVR), expected)


def test_lines_of_one_pattern_are_read_to_the_last_bit() -> None:
    rng = np.random.default_rng(1)
    written = ("{:+.3f}", "{:.3f}", "{:+.0f}", "{:.15f}", "{:.1e}", "{:+.14f}")
    words = ("red", "red_1", "r\u00e9d", "re+d", "")
    syntax = ProgramSyntax(
        ("color", "loc", "x", "y", "rotation"),
        {"color": words[:4]},
        rotation_rep="aa",
    )
    lines = ["add(loc=(1, 2, 3), x=0.1, y=0.2)", "add(loc=(-0.0, 1, 2))"] * 9
    for form in written:
        for word in words:
            for _ in range(9):
                numbers = [form.format(v) for v in rng.uniform(-9.9, 9.9, 6)]
                place, turn = ", ".join(numbers[:3]), ", ".join(numbers[3:])
                lines.append(f"add(rotation=({turn}), color='{word}', loc=({place}))")
    programs = ["\n".join(lines[i : i + 3]) for i in range(0, len(lines), 3)]
    expected = as_table([parse(program, syntax) for program in programs])
    assert 0 < expected.parsed.sum() < len(programs)
    got = parse_programs(programs, syntax)
    assert_equal(got, expected)
    assert got.location.tolist() == expected.location.tolist()
    broken = [*programs, "add(loc=(1, 2, 3))\0"]
    assert parse_programs(broken, syntax).parsed.tolist() == [
        *expected.parsed.tolist(),
        False,
    ]


@pytest.mark.parametrize("number", ["1e999", "nan", "1e", "--1", "1.2.3", "[NUM]"])
def test_numbers_that_the_grammar_refuses(number: str) -> None:
    good, bad = "add(loc=(1, 2, 3))", f"add(loc=(1, 2, {number}))"
    assert parse(bad, CLEVR) is None
    assert parse_programs([good, bad], CLEVR).parsed.tolist() == [True, False]
    read = read_leniently([good, bad], CLEVR, lambda v: np.zeros((len(v), 4)))
    assert read.location.tolist() == [[1, 2, 3], [1, 2, 0]]


def test_space_that_is_not_ascii_breaks_the_grammar() -> None:
    programs = [f"{space}add(x=0.1, y=0.2)" for space in ("\n ", "\u00a0", "\u2003")]
    table = parse_programs(programs, DOMAINS["2d"].syntax)
    assert table.parsed.tolist() == [True, False, False]


def test_rotation_that_names_none_is_unknown() -> None:
    rows = ["0, 0, 0, 0, 0, 0", "1, 0, 0, 0, 2, 0", "1, 0, 0, 1, 0, 0"]
    programs = [f"add(rotation=({row}))" for row in rows]
    got = parse_programs(programs, TURNED)
    assert_equal(got, as_table([parse(p, TURNED) for p in programs]))
    assert np.isfinite(got.rotation[:, 0]).tolist() == [False, True, False]


def test_any_word_may_be_said() -> None:
    programs = ["add(shape='x_1', loc=(1, 2, 3))", "add( shape=\"y\", color='ball')"]
    syntax = ProgramSyntax(("shape", "color", "loc"))
    assert parse_programs(programs, syntax).parsed.tolist() == [False, False]
    got = parse_programs(programs, syntax, any_word=True)
    assert got.parsed.all()
    assert got.words["shape"].tolist() == ["x_1", "y"]
    assert got.words["color"].tolist() == ["", "ball"]


def test_what_can_be_found_counts() -> None:
    program = (
        "add(shape='ball', loc=(1, ?, 3), size='odd'\nadd(color='red')\nadd(loc=(1"
    )
    got = read_leniently([program, "none"], CLEVR, lambda v: np.ones((len(v), 4)))
    assert got.counts.tolist() == [3, 0]
    assert got.location.tolist() == [[1, 0, 3], [0, 0, 0], [1, 0, 0]]
    assert got.words["shape"].tolist() == ["sphere", "", ""]
    assert got.words["size"].tolist() == ["odd", "", ""]


def test_dots_are_located_on_the_plane() -> None:
    syntax = DOMAINS["2d"].syntax
    programs = ["add(x=0.1, y=0.2)", "add(y=0.4, x=0.3)", "add(x=0.5)", "add()"]
    got = parse_programs(programs, syntax)
    assert_equal(got, as_table([parse(p, syntax) for p in programs]))
    assert got.location[:2].tolist() == [[0.1, 0.2, 0], [0.3, 0.4, 0]]


def test_nothing_to_read() -> None:
    assert len(parse_programs([], CLEVR)) == 0
    assert parse_programs([""], CLEVR).parsed.tolist() == [True]
