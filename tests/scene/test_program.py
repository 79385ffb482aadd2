from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.scene import (
    ProgramError,
    ProgramSyntax,
    Scene,
    SceneObject,
    fill_numbers,
    parse_program,
    write_program,
)
from igllm_pipelines.scene.program import NUM
from igllm_pipelines.scene.rotations import (
    COMPONENTS,
    from_representation,
    geodesic_angle_rad,
    quat_from_yaw,
    yaw_from_quat,
)
from tests.scene.strategies import clevr_scenes, quats, turned_about_own_z

CLEVR = DOMAINS["clevr"].syntax
DOTS = DOMAINS["2d"].syntax


@given(clevr_scenes)
def test_clevr_round_trip(scene):
    text = write_program(scene, CLEVR)
    back = parse_program(text, CLEVR)
    assert len(back.objects) == len(scene.objects)
    for parsed, true in zip(back.objects, scene.objects, strict=True):
        np.testing.assert_allclose(parsed.location, true.location, atol=5.1e-4)
        for word in ("size", "color", "material", "shape"):
            assert getattr(parsed, word) == getattr(true, word)
        if true.shape == "cube":
            turn = yaw_from_quat(parsed.rotation) - yaw_from_quat(true.rotation)
            quarter = np.pi / 2
            assert abs((turn + quarter / 2) % quarter - quarter / 2) < 6e-4
        else:
            assert parsed.rotation is None
    assert write_program(back, CLEVR) == text


@given(st.floats(0, 1), st.floats(0, 1))
def test_dot_round_trip(x, y):
    scene = Scene((SceneObject(location=(x, y, 0)),))
    back = parse_program(write_program(scene, DOTS), DOTS)
    np.testing.assert_allclose(back.objects[0].location, (x, y, 0), atol=5.1e-4)


GIMBAL = [
    (x, sign * np.pi / 2, z) for x in (0, 1.3) for sign in (-1, 1) for z in (0, 2)
]
# rounding to 3 decimals moves no rotation by more
ROUNDED_DEG = 0.2


def through_text(obj, syntax):
    """The object that is read from the object's program."""
    (back,) = parse_program(write_program(Scene((obj,)), syntax), syntax).objects
    return back


def angle_deg(a, b):
    return np.degrees(geodesic_angle_rad(a, b))


@pytest.mark.parametrize("rep", COMPONENTS)
@given(quat=quats)
def test_rotation_representations_round_trip(rep, quat):
    obj = SceneObject(rotation=quat)
    back = through_text(obj, ProgramSyntax(("rotation",), rotation_rep=rep))
    assert angle_deg(obj.rotation, back.rotation) < ROUNDED_DEG


@pytest.mark.parametrize("rep", COMPONENTS)
@pytest.mark.parametrize("locked", ["euler", "euler_int"])
@pytest.mark.parametrize("angles", GIMBAL)
def test_representations_round_trip_at_gimbal_lock(rep, locked, angles):
    obj = SceneObject(rotation=tuple(from_representation(angles, locked)))
    back = through_text(obj, ProgramSyntax(("rotation",), rotation_rep=rep))
    assert angle_deg(obj.rotation, back.rotation) < ROUNDED_DEG


@pytest.mark.parametrize("rep", COMPONENTS)
@pytest.mark.parametrize(("shape", "symmetry"), [("cube", 4), ("cylinder", 360)])
@given(quat=quats)
def test_symmetric_shapes_round_trip_up_to_their_symmetry(rep, shape, symmetry, quat):
    obj = SceneObject(shape=shape, rotation=quat)
    back = through_text(obj, replace(CLEVR, rotation_rep=rep))
    # the turns of the true rotation that look the same; every degree of a cylinder
    same = turned_about_own_z(obj.rotation, 2 * np.pi / symmetry * np.arange(symmetry))
    limit = ROUNDED_DEG + (0.5 if shape == "cylinder" else 0)
    assert angle_deg(same, back.rotation).min() < limit


@pytest.mark.parametrize("rep", COMPONENTS)
@pytest.mark.parametrize(("shape", "turn"), [("cube", np.pi / 2), ("cylinder", 1.234)])
def test_rotations_that_look_the_same_have_one_program(rep, shape, turn):
    syntax = replace(CLEVR, rotation_rep=rep)
    quat = from_representation([0.3, -0.4, 0.2], "aa")
    one, other = (
        Scene((SceneObject(shape=shape, rotation=tuple(q)),))
        for q in (quat, turned_about_own_z(quat, turn))
    )
    assert write_program(one, syntax) == write_program(other, syntax)


@pytest.mark.parametrize("rep", COMPONENTS)
def test_upright_cylinder_is_written_unturned(rep):
    turned, straight = (
        Scene((SceneObject(shape="cylinder", rotation=tuple(quat_from_yaw(yaw))),))
        for yaw in (2.1, 0.0)
    )
    syntax = replace(CLEVR, rotation_rep=rep)
    assert write_program(turned, syntax) == write_program(straight, syntax)


def test_the_papers_example_of_a_line():
    obj = SceneObject(
        size="large",
        color="red",
        material="metal",
        shape="cube",
        location=(0.123, -1.5, 0.7),
        rotation=tuple(quat_from_yaw(0.456 + np.pi / 4)),
    )
    assert write_program(Scene((obj,)), CLEVR) == (
        "add(size='large', color='red', material='metal', shape='cube', "
        "loc=(+0.123, -1.500, +0.700), rotation=+0.456)\n"
    )


def test_cube_yaw_is_the_papers_formula():
    for degrees in (0.0, 30.0, 89.9, 123.4, 359.0):
        quat = tuple(quat_from_yaw(np.radians(degrees)))
        scene = Scene((SceneObject(shape="cube", rotation=quat),))
        expected = np.radians((degrees % 90) - 45)
        assert f"rotation={expected:+.3f}" in write_program(scene, CLEVR)


@pytest.mark.parametrize("shape", ["sphere", "cylinder"])
def test_round_shapes_carry_no_rotation(shape):
    scene = Scene((SceneObject(shape=shape, rotation=(1, 0, 0, 0)),))
    assert write_program(scene, CLEVR) == f"add(shape='{shape}')\n"


@pytest.mark.parametrize(
    ("rep", "numbers"),
    [("quat", "0, 0, 0, 0"), ("6d", "0, 0, 0, 0, 0, 0"), ("6d", "1, 0, 0, 2, 0, 0")],
)
def test_numbers_that_name_no_rotation_leave_it_unknown(rep, numbers):
    syntax = ProgramSyntax(("loc", "rotation"), rotation_rep=rep)
    text = f"add(loc=(1, 2, 3), rotation=({numbers}))"
    (obj,) = parse_program(text, syntax).objects
    assert obj == SceneObject(location=(1, 2, 3))


def test_a_rounded_zero_has_no_minus():
    scene = Scene((SceneObject(location=(-0.0001, 0.0, 0.0)),))
    assert "loc=(+0.000, +0.000, +0.000)" in write_program(scene, CLEVR)


@pytest.mark.parametrize(
    "text",
    [
        "add(size='large',shape='cube',loc=(1,2,3))",
        "add(loc=(+1.0, 2e0, .3E1), shape=\"block\", size='big',)",
        "  add (\n\tsize = 'large' ,\n loc = ( 1. , 20e-1 , 3 , ) , shape = 'cube' )  ",
        "Here:\n```python\nadd(size='large', shape='cube', loc=(1, 2, 3))\n```\nbye",
        "```\nadd(size='large', shape='cube', loc=(1, 2, 3))\n",
    ],
)
def test_parse_accepts_every_writing(text):
    (obj,) = parse_program(text, CLEVR).objects
    assert (obj.size, obj.shape, obj.location) == ("large", "cube", (1, 2, 3))


def test_parse_maps_every_synonym_back():
    for attribute, words in CLEVR.synonyms.items():
        for word, others in words.items():
            for other in others:
                (obj,) = parse_program(f"add({attribute}='{other}')", CLEVR).objects
                assert getattr(obj, attribute) == word


def test_parse_of_nothing_is_an_empty_scene():
    assert parse_program(" \n", CLEVR).objects == ()


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("add(size='large' color='red')", 1, 18, "expected )"),
        ("add(x=1)", 1, 5, "unknown attribute 'x'"),
        ("add(loc=(1, 2))", 1, 9, "loc takes 3 numbers"),
        ("add(loc=(1, 2, 1e999))", 1, 16, "not finite"),
        ("add(loc=(1, 2, nan))", 1, 16, "expected a number"),
        ("\n add(shape='foo')", 2, 12, "unknown shape 'foo'"),
        ("add(shape=cube)", 1, 11, "expected a string"),
        ("add(size='large', size='large')", 1, 19, "given twice"),
        ("add(size='large'", 1, 17, "the end of the program"),
        ("__import__('os').system('true')", 1, 17, "unexpected '.'"),
        ("add(shape='cube'); exit()", 1, 18, "unexpected ';'"),
        ("add(shape='cu\nbe')", 1, 11, 'unexpected "\'"'),
        ("x\n```\nadd(loc=[NUM])```", 3, 9, "unexpected '['"),
    ],
)
def test_parse_error_says_where(text, line, column, reason):
    with pytest.raises(ProgramError, match=r"line \d+, column \d+") as caught:
        parse_program(text, CLEVR)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert reason in caught.value.reason


def test_parse_2d_needs_both_coordinates():
    with pytest.raises(ProgramError, match="'y' is missing"):
        parse_program("add(x=0.5)", DOTS)


def parses_or_says_where(text):
    try:
        parse_program(text, CLEVR)
    except ProgramError as error:
        return error.line >= 1 and error.column >= 1
    return True


@given(st.text())
def test_parse_raises_nothing_else(text):
    assert parses_or_says_where(text)


@given(clevr_scenes, st.data())
def test_parse_of_a_damaged_program_raises_nothing_else(scene, data):
    text = write_program(scene, CLEVR)
    cut = data.draw(st.integers(0, len(text)))
    noise = data.draw(st.text(alphabet="add(),=' 0123.+-e\n", max_size=3))
    assert parses_or_says_where(text[:cut] + noise + text[cut + 1 :])


def test_fill_numbers():
    filled = fill_numbers("add(x=[NUM], y=[NUM])\n", [0.25, 0.5], DOTS)
    assert filled == "add(x=0.250, y=0.500)\n"


def test_fill_numbers_counts():
    with pytest.raises(ValueError, match="2 .* tokens, but 1 numbers"):
        fill_numbers("add(x=[NUM], y=[NUM])", [0.25], DOTS)


def test_syntax_rejects_unknown_names():
    with pytest.raises(ValueError, match="unknown program attributes"):
        ProgramSyntax(("size", "weight"))
    with pytest.raises(ValueError, match="unknown rotation_rep"):
        ProgramSyntax(("rotation",), rotation_rep="matrix")


@pytest.mark.parametrize("word", ["o'brien", "two\nlines", "```", f"a{NUM}", ""])
def test_a_word_that_cannot_be_read_back_is_refused(word):
    plain = ProgramSyntax(("shape",), {"shape": ("cube",)})
    with pytest.raises(ValueError, match="cannot stand in a program"):
        ProgramSyntax(("shape",), {"shape": (word,)})
    with pytest.raises(ValueError, match="cannot stand in a program"):
        ProgramSyntax(("shape",), {"shape": ("cube",)}, {"shape": {"cube": (word,)}})
    with pytest.raises(ValueError, match="cannot stand in a program"):
        write_program(Scene((SceneObject(shape=word),)), plain)


@pytest.mark.parametrize(
    "word", ['say "hi"', "a, b=(1)", "Stühle_ÄÖ", "add(", "\\n", " "]
)
def test_odd_words_are_read_back(word):
    syntax = ProgramSyntax(("shape",), {"shape": ("cube", word)})
    scene = Scene((SceneObject(shape=word),))
    assert parse_program(write_program(scene, syntax), syntax) == scene
