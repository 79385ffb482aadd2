"""The notebooks as they lie in git; `test_runs.py` runs them on a finished project."""

import ast
import json
import os
import shutil
import subprocess
from pathlib import Path
from sysconfig import get_path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_of(cells):
    return [cell for cell in cells if cell["cell_type"] == "code"]


def execute(notebook, project, **parameters):
    """Runs a copy of a notebook top to bottom, as Jupyter does.

    Args:
        notebook: its file.
        project: folder with ``conf/``; the copy is put into its ``notebooks/``.
        parameters: set behind those of the cell that is tagged so.

    Returns:
        the outputs of all cells.
    """
    shutil.copy(ROOT / "pyproject.toml", project)
    copy = project / "notebooks" / notebook.name
    copy.parent.mkdir(exist_ok=True)
    content = json.loads(notebook.read_text())
    tagged = (c for c in content["cells"] if c["metadata"].get("tags"))
    (given,) = (c for c in tagged if "parameters" in c["metadata"]["tags"])
    given["source"] += [f"\n{name} = {value!r}" for name, value in parameters.items()]
    copy.write_text(json.dumps(content))
    run = subprocess.run(
        [f"{get_path('scripts')}/jupyter-execute", "--inplace", copy.name],
        cwd=copy.parent,
        env={**os.environ, "IPYTHONDIR": str(project / "ipython")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-5000:]
    cells = code_of(json.loads(copy.read_text())["cells"])
    return [output for cell in cells for output in cell["outputs"]]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_short_and_has_no_outputs(path):
    cells = json.loads(path.read_text())["cells"]
    assert len(cells) < 25
    for cell in code_of(cells):
        assert not cell["outputs"]
        assert cell["execution_count"] is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_imports_public_names_only(path):
    cells = code_of(json.loads(path.read_text())["cells"])
    lines = [line for cell in cells for line in [*cell["source"], "\n"]]
    tree = ast.parse("".join(line for line in lines if not line.startswith("%")))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names}
    modules = {node.module for node in imports}
    assert any(module.startswith("igllm_pipelines.") for module in modules)
    parts = names | {part for module in modules for part in module.split(".")}
    assert not {part for part in parts if part.startswith("_")}
