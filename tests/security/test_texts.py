"""Names that would be formulas, tags, commands or code where they are written."""

import csv
import json
from html.parser import HTMLParser
from io import StringIO

import pytest

from igllm_pipelines.apps.reconstruct_summary import CSV, write_summary
from igllm_pipelines.assets import AssetError, AssetsConfig
from igllm_pipelines.assets.files import check_file
from igllm_pipelines.assets.folder import folder_catalog
from igllm_pipelines.report.formats import csv_text, latex, markdown
from igllm_pipelines.report.front import front_page
from igllm_pipelines.report.tables import metrics_table
from igllm_pipelines.scene import Scene, SceneObject, write_program
from igllm_pipelines.scene.program import ProgramSyntax
from igllm_pipelines.validation.suites import _for_pages
from tests.assets.shapes import L_SHAPE, edit_glb, obj_text, write_glb

FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"]
SCRIPT = "<script>alert(1)</script>"
TAGS = [SCRIPT, "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "</style>"]
TABLE = metrics_table("clevr", {"char": {"val_ID": {"l2": 0.5}}}, ["val_ID"])


class Found(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.events = set(), set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.events |= {name for name, _ in attrs if name.startswith("on")}


def shown(formula):
    return "'" + formula.replace("\r", "\n")


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_in_tables_are_text(text):
    (row,) = csv.DictReader(StringIO(csv_text([{"scale": text, "value": -0.5}])))
    assert row == {"scale": shown(text), "value": "-0.5"}


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_in_names_of_pictures_are_text(tmp_path, text):
    record = {"name": text, "program": "add()", "objects": 1, "notes": [text]}
    record |= {"log_probability": -1.0, "number_stds": [], "files": {}}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "reconstruction.json").write_text(json.dumps(record))
    write_summary(tmp_path, [])
    with (tmp_path / CSV).open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["notes"]) == (shown(text), shown(text))
    assert row["log_probability"] == "-1.0"


@pytest.mark.parametrize("text", TAGS)
def test_tags_in_markdown_are_text(text):
    written = markdown(TABLE, f"scale {text} | {text}\n| a | b |")
    assert not Found(written).tags
    assert written.count("\n\n") == 1
    assert "\n| a" not in written


@pytest.mark.parametrize(
    "text", ["}\\input{/etc/passwd}", "$\\immediate\\write18{id}$", "% \n \\end{table}"]
)
def test_commands_in_latex_are_text(text):
    safe, written = (latex(TABLE, caption, "clevr") for caption in ("a", text))
    commands = ("\\input", "\\immediate", "\\write", "\\end{table}")
    for command in commands:
        assert written.count(command) == safe.count(command)


@pytest.mark.parametrize("text", TAGS)
def test_tags_on_the_front_page_are_text(tmp_path, text):
    folder = tmp_path / "clevr"
    (folder / "report").mkdir(parents=True)
    (folder / "report" / "index.html").touch()
    row = {"metric": "l2", "value": 0.5, "split": text, "encoding": text}
    row |= {"low": None, "high": None, "scale": text, "revision": text}
    (folder / "results.json").write_text(json.dumps([row]))
    clean = Found(front_page(tmp_path / "empty"))
    found = Found(front_page(tmp_path))
    assert not found.events
    assert not {"script", "img", "svg"} & (found.tags - clean.tags)


@pytest.mark.parametrize("text", TAGS)
def test_tags_in_data_docs_are_text(text):
    import pandas as pd

    table = pd.DataFrame({"shape": [text, None], "x": [1.0, 2.0], "seen": [True, None]})
    shown = _for_pages(table)
    assert "<" not in shown["shape"][0]
    assert shown["shape"].isna().tolist() == [False, True]
    assert shown["x"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("text", ["'); quit(); ('", "a\nadd(shape='cube')"])
def test_names_never_become_lines_of_a_program(text):
    scene = Scene((SceneObject(shape=text),))
    with pytest.raises(ValueError, match="cannot stand in a program"):
        write_program(scene, ProgramSyntax(("shape",)))


# --- assets ----------------------------------------------------------------------

MANIFESTS = {
    "deep": "[" * 100_000,
    "python": "{code}",
    "climbs": '[{"id": "a", "category": "chair", "path": "../outside.obj"}]',
    "absolute": '[{"id": "a", "category": "chair", "path": "/etc/outside.obj"}]',
    "url": '[{"id": "a", "category": "chair", "path": "http://127.0.0.1:9/a.obj"}]',
    "name": '[{"id": "\');{code}", "category": "chair", "path": "a.obj"}]',
    "blend": '[{"id": "a", "category": "chair", "path": "a.blend"}]',
    "infinite": '[{"id": "a", "category": "chair", "path": "a.obj", "scale": 1e999}]',
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_hostile_manifest(tmp_path, canary, name):
    root = tmp_path / "assets"
    root.mkdir()
    for file in (root / "a.obj", root / "a.blend", tmp_path / "outside.obj"):
        file.write_text(obj_text(L_SHAPE))
    code = canary.code.replace('"', "'")
    (root / "manifest.json").write_text(MANIFESTS[name].replace("{code}", code))
    with pytest.raises(AssetError):
        folder_catalog(AssetsConfig(str(root), ("chair",), None, 0.0))


HEADERS = {
    "extensions": {"extensionsRequired": [{}]},
    "images": {"images": [5]},
    "uri": {"images": [{"uri": 5}]},
    "long_uri": {"images": [{"uri": "a" * 10_000}]},
    "nodes": {"nodes": [{"children": [0]}]},
    "count": {"accessors": [{"count": 2**60, "componentType": 5126, "type": "VEC3"}]},
}


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_glb(tmp_path, name):
    file = write_glb(tmp_path / "a.glb", L_SHAPE)
    edit_glb(file, lambda header: header.update(HEADERS[name]))
    (error,) = check_file(file).errors
    assert "read" in error or "is empty" in error


OBJS = {
    "code": "{code}\n",
    "material": f"mtllib {'a' * 10_000}\n" + obj_text(L_SHAPE),
    "index": obj_text(L_SHAPE) + f"f 1 2 {2**80}\n",
    "null": "\0" * 10_000,
}


@pytest.mark.parametrize("name", OBJS)
def test_hostile_obj(tmp_path, canary, name):
    file = tmp_path / "a.obj"
    file.write_text(OBJS[name].replace("{code}", canary.code))
    (error,) = check_file(file).errors
    assert "it" in error
