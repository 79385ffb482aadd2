"""Random and damaged programs, label files and tars: nothing but the declared errors.

The suite tries a few hundred of each. Longer, one target for so many minutes::

    python -m tests.security.fuzz programs --minutes 5
    python -m tests.security.fuzz labels --minutes 5
    python -m tests.security.fuzz tars --minutes 5

What breaks a property is printed in its smallest form, and the command ends with 1.
"""

import argparse
import atexit
import contextlib
import json
import re
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from igllm_pipelines.domains import CLEVR_WORDS, DOMAINS
from igllm_pipelines.metrics.labels import read_label_table
from igllm_pipelines.metrics.programs import parse_programs, read_leniently
from igllm_pipelines.metrics.table import as_table
from igllm_pipelines.scene import (
    LabelError,
    ProgramError,
    Scene,
    SceneObject,
    parse_program,
    read_labels,
    scene_from_record,
    scene_to_record,
    write_program,
)
from igllm_pipelines.scene.rotations import COMPONENTS
from igllm_pipelines.shards.tar import ShardError, read_members, write_tar


def some_scenes(count: int, rng: np.random.Generator) -> list[Scene]:
    """Scenes of up to four objects; what is damaged begins as one of them."""
    return [
        Scene(tuple(some_object(rng) for _ in range(index % 5)), f"{index}.png")
        for index in range(count)
    ]


def some_object(rng: np.random.Generator) -> SceneObject:
    words = {name: str(rng.choice(known)) for name, known in CLEVR_WORDS.items()}
    place = {"location": rng.normal(size=3), "pixel_coords": rng.uniform(1, 64, 3)}
    asset = {"extents": rng.uniform(0.1, 2, 3), "texture": "wood_0042"}
    return SceneObject(
        **words,
        **place,
        rotation=rng.normal(size=4),
        **asset if rng.integers(2) else {},
    )


SCENES = some_scenes(40, np.random.default_rng(0))


def result(read: Callable[..., Any], *given: Any) -> tuple[Any, Exception | None]:
    """What was read and no error, or nothing and a declared error."""
    try:
        return read(*given), None
    except (ProgramError, LabelError) as error:
        return None, error


# --- programs --------------------------------------------------------------------

CLEVR = DOMAINS["clevr"].syntax
SYNTAXES = [
    CLEVR,
    DOMAINS["2d"].syntax,
    *(replace(CLEVR, rotation_rep=rep) for rep in COMPONENTS),
]
NUMBERS = [
    *("0", "-0.0", "+.5", "1.", "1e5", "1e308", "-1e308", "1e-320", "1e999", "nan"),
    *("inf", "1_000", "0x10", "1" * 400, "1e", "--1", "[NUM]", "\u0663", "\uff11"),
]
PIECES = [
    *("add", "add(", ")", ")\n", "(", ",", ", ", "=", "'", '"', "\n", " ", "\t", "\r"),
    *("size=", "color='red'", "material=", "shape='cube'", "shape='ball'", "'large'"),
    *("loc=(", "loc=(0, 0, 0)", "x=", "y=0.5", "rotation=", "rotation=(1, 0, 0)"),
    *("```", "```python\n", "\x00", "\x0b", "\x1c", "\u2028", "\ufeff", "\u0430dd("),
    *("__import__('os')", "lambda:", "[x for x in (1,)]", "#", ";", "\\", "{0}", "%s"),
    *NUMBERS,
]
Edit = tuple[float, float, str]
edits = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 0.2), st.sampled_from(PIECES) | st.text()),
    min_size=1,
    max_size=4,
)


def edited(text: str, changes: list[Edit]) -> str:
    """The text with something else in the place of a share of it."""
    for place, share, new in changes:
        start = round(place * len(text))
        text = text[:start] + new + text[start + round(share * len(text)) :]
    return text


def written(scene: Any, number: int) -> str:
    if number == 1:  # a dot's program says where it is, in image sides
        return "".join(f"add(x={o.location[0]:.3f}, y=0.5)\n" for o in scene.objects)
    return write_program(scene, SYNTAXES[number])


@st.composite
def programs(draw: Any) -> tuple[int, str]:
    """A syntax, and text: any, tokens in any order, or a damaged program."""
    number = draw(st.integers(0, len(SYNTAXES) - 1))
    kind = draw(st.sampled_from(["any", "pieces", "damaged", "damaged"]))
    if kind == "any":
        return number, draw(st.text())
    if kind == "pieces":
        return number, "".join(draw(st.lists(st.sampled_from(PIECES), max_size=30)))
    return number, edited(written(draw(st.sampled_from(SCENES)), number), draw(edits))


def vary_program(case: tuple[int, str], rng: Random) -> tuple[int, str]:
    place, share, new = rng.random(), 0.1 * rng.random(), rng.choice(PIECES)
    return case[0], edited(case[1], [(place, share if rng.random() < 0.5 else 0, new)])


def check_program(case: tuple[int, str]) -> None:
    """The parser reads it or says where; what it reads can be written; all agree."""
    number, text = case
    syntax = SYNTAXES[number]
    table = parse_programs([text], syntax)
    read_leniently([text], syntax, lambda numbers: np.zeros((len(numbers), 4)))
    scene, error = result(parse_program, text, syntax)
    assert table.parsed[0] == (error is None)
    if isinstance(error, ProgramError):
        assert 1 <= error.line <= text.count("\n") + 1
        assert 1 <= error.column <= len(text) + 1
        assert len(str(error)) < 400
        return
    expected = as_table([scene])
    assert table.starts.tolist() == expected.starts.tolist()
    np.testing.assert_allclose(table.location, expected.location, rtol=1e-12)
    for name, words in expected.words.items():
        assert table.words[name].tolist() == words.tolist()
    again = parse_program(write_program(scene, syntax), syntax)
    assert [obj.shape for obj in again.objects] == [obj.shape for obj in scene.objects]


# --- labels ----------------------------------------------------------------------

VALUES: list[Any] = [
    *(None, True, False, "", "x", "3", "../../x", "\ud800", "<script>", [], {}, [[]]),
    *(0, -1, 1.5, 2**31, 2**63, 10**400, 1e308, -1e308, 1e-320, float("nan")),
    *(float("inf"), [0, 0, 0, 0], [1e308] * 4, [10**400] * 3, [None] * 3, ["1"] * 3),
    *([float("nan")] * 3, {"a": 1}, [[1, 2, 3]], [1, 2], [0.0] * 3, [1, 0, 0, 0]),
]
_SCALAR = re.compile(rb'"[^"]*"|[-+.\w]+')
KEYS = [
    *("3d_coords", "pixel_coords", "size", "color", "material", "shape", "rotation"),
    *("rotation_quat", "visible_pixels", "texture", "extents", "image_filename"),
    *("objects", "camera", "lights", "backdrop", "seed", "generator", "engine", "info"),
    *("world_from_camera", "lens_mm", "width_px", "name", "kind", "energy", "scenes"),
]
json_values = st.recursive(
    st.sampled_from(VALUES) | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=5
        )
    ),
    max_leaves=12,
)
CAMERA = {
    "world_from_camera": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 9], [0, 0, 0, 1]],
    **{"lens_mm": 35.0, "sensor_width_mm": 32.0, "width_px": 64, "height_px": 48},
}
LIGHT = {
    **{"name": "Key", "kind": "AREA", "location": [0, 0, 1], "rotation": [1, 0, 0, 0]},
    **{"energy": 10.0, "size": 1.0, "color": [1, 1, 1]},
}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key below a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value))
    if not isinstance(value, dict | list):
        return []
    inner = [value[key] for key in keys if isinstance(value[key], dict | list)]
    return [(value, key) for key in keys] + [p for v in inner for p in places(v)]


@st.composite
def damaged_labels(draw: Any) -> str:
    """Good labels with up to four values in the place of others, or keys added."""
    first = draw(st.integers(0, len(SCENES) - 2))
    records = [scene_to_record(scene) for scene in SCENES[first : first + 2]]
    for index, record in enumerate(records):
        record |= {"image_filename": f"{index}.png", "seed": [1, 2]}
        record |= {"camera": CAMERA, "lights": [LIGHT]}
    content = json.loads(json.dumps({"scenes": records}))
    for _ in range(draw(st.integers(0, 4))):
        found = places(content)
        owner, key = found[draw(st.integers(0, len(found) - 1))]
        if isinstance(owner, dict) and draw(st.booleans()):
            key = draw(st.sampled_from(KEYS))
        owner[key] = deepcopy(draw(st.sampled_from(VALUES) | json_values))
    text = json.dumps(content)
    return edited(text, draw(edits)) if draw(st.integers(0, 9)) == 0 else text


label_files = (
    damaged_labels()
    | json_values.map(json.dumps)
    | st.lists(json_values, max_size=2).map(lambda v: json.dumps({"scenes": v}))
    | st.text()
).map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary()


def vary_labels(content: bytes, rng: Random) -> bytes:
    """Another value in the place of one that is no list and no object."""
    scalars = list(_SCALAR.finditer(content))
    if not scalars:
        return content + rng.randbytes(2)
    start, end = rng.choice(scalars).span()
    new = json.dumps(rng.choice(rng.choice([VALUES, KEYS]))).encode()
    return content[:start] + new + content[end:]


def check_labels(content: bytes) -> None:
    """Both readers read the same or say LabelError; what is read can be written."""
    path = Path(scratch()) / "labels.json"
    path.write_bytes(content)
    scenes, error = result(read_labels, path)
    table, _ = result(read_label_table, path)
    if error is not None:  # the table may still be read: it has no use for cameras
        assert str(path) in str(error)
        assert len(str(error)) < 2000
        return
    assert list(table.images) == [scene.image_filename for scene in scenes]
    expected = as_table(scenes)
    np.testing.assert_allclose(table.objects.location, expected.location, rtol=1e-12)
    for scene in scenes:
        text = json.dumps(scene_to_record(scene), allow_nan=False)
        again = scene_from_record(json.loads(text), "again")
        assert len(again.objects) == len(scene.objects)


# --- tars ------------------------------------------------------------------------

HEADER_BYTES = [b"\x80", b"\xff", b"\0", b"7", b"8", b" ", b"-1"]
HEADER_BYTES += [bytes([kind]) for kind in b"xLKSg127"]
HEADERS = (0, 512 + 1024, 512 + 1024 + 1024)  # where those of the tar begin
FIELDS = (0, 100, 124, 125, 134, 156, 157, 257, 345, 386, 483)  # and what is in them


@st.composite
def damaged_tars(draw: Any) -> bytes:
    """A tar of ours with up to six bytes of its headers replaced, sums mended."""
    path = Path(scratch()) / "good.tar"
    members = [
        ("a.png", b"x" * 700),
        ("b.json", b"30 path=../../evil.png\n"),
        ("c", b""),
    ]
    write_tar(path, members)
    content = bytearray(path.read_bytes())
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.sampled_from(HEADERS))
        field = draw(st.sampled_from(FIELDS))
        new = draw(st.sampled_from(HEADER_BYTES) | st.binary(min_size=1, max_size=12))
        content[start + field : start + field + len(new)] = new
    for start in HEADERS if draw(st.booleans()) else ():
        content[start + 148 : start + 156] = b" " * 8
        total = sum(content[start : start + 512])
        content[start + 148 : start + 156] = b"%06o\0 " % total
    return bytes(content[: draw(st.sampled_from([len(content), 512, 2000, 2600]))])


def vary_tar(content: bytes, rng: Random) -> bytes:
    """Other bytes in one field of one header."""
    start = rng.choice(HEADERS) + rng.choice(FIELDS)
    new = rng.choice([*HEADER_BYTES, rng.randbytes(8)])
    return content[:start] + new + content[start + len(new) :]


def check_tar(content: bytes) -> None:
    """All members are read and lie in the file and below the folder, or ShardError."""
    path = Path(scratch()) / "damaged.tar"
    path.write_bytes(content)
    (path.parent / ".index" / f"{path.name}.json").unlink(missing_ok=True)
    with contextlib.suppress(ShardError):
        for name, data in read_members(path):
            assert not name.startswith("/")
            assert ".." not in name.split("/")
            assert len(data) <= len(content)


# --- running ---------------------------------------------------------------------


@cache
def scratch() -> str:
    """A folder for this process, in memory where the system has such a place."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = tempfile.mkdtemp(prefix="igllm_fuzz_", dir=memory)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


VARIANTS = 10  # of each case of hypothesis, which takes longer to draw than to try


class Target(NamedTuple):
    cases: st.SearchStrategy[Any]
    check: Callable[[Any], None]
    vary: Callable[[Any, Random], Any]


TARGETS = {
    "programs": Target(programs(), check_program, vary_program),
    "labels": Target(label_files, check_labels, vary_labels),
    "tars": Target(damaged_tars(), check_tar, vary_tar),
}


def try_cases(target: Target, count: int, number: int) -> int:
    """Tries `count` cases, others for each `number`; how many there were."""
    tried = 0

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.cases, st.integers(0, 2**32))
    def attempt(case: Any, entropy: int) -> None:
        nonlocal tried
        rng = Random(entropy)
        for _ in range(1 + VARIANTS):
            tried += 1
            note(f"case: {case!r}")
            target.check(case)
            case = target.vary(case, rng)

    attempt()
    return tried


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--first", type=int, default=0, help="seed of the first round")
    given_ = parser.parse_args()
    warnings.simplefilter("error")
    started, tried, number = time.monotonic(), 0, given_.first
    while time.monotonic() - started < 60 * given_.minutes:
        try:
            tried += try_cases(TARGETS[given_.target], 500, number)
        except Exception:
            traceback.print_exc()
            print(f"{given_.target}: found in round {number} after {tried:,} cases")  # noqa: T201
            return 1
        number += 1
    minutes = (time.monotonic() - started) / 60
    print(f"{given_.target}: {tried:,} cases in {minutes:.1f} minutes, no finding")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
