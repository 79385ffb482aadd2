"""What the source never does, servers that listen here alone, and configuration."""

import ast
import inspect
import re
from pathlib import Path

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from omegaconf.errors import OmegaConfBaseException

from igllm_pipelines.apps import demo
from igllm_pipelines.settings import CONFIG_LOADER_ARGS

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TEMPLATES = sorted((ROOT / "src").rglob("templates/*.txt"))
# modules that unpickle or start what a file names
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FUNCTIONS = {"eval", "exec", "compile", "__import__"}
# the last part of a dotted name, whatever stands before it
METHODS = {
    *("open_mainfile", "append_from_file", "unsafe_load", "full_load", "system"),
    *("popen", "extractall", "extract", "unpack_archive", "run_path", "run_module"),
}
ARGUMENTS = {
    *(("trust_remote_code", True), ("weights_only", False), ("allow_pickle", True)),
    *(("shell", True), ("use_scripts", True), ("autoescape", False)),
}
NEEDED = {  # by files: what is given there comes from no file of anybody
    ("apps/machine.py", "subprocess"),
    ("report/revision.py", "subprocess"),
}


def offences(text):
    """Lines of Python that do what the source never does."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                found = {name.name.partition(".")[0] for name in names} & MODULES
            case ast.ImportFrom(module=str(module)):
                found = {module.partition(".")[0]} & MODULES
            case ast.Call(func=ast.Name(id=name), keywords=keywords):
                found = ({name} & FUNCTIONS) | bad(keywords)
            case ast.Call(func=ast.Attribute(attr=name) as called, keywords=keywords):
                found = (
                    ({name} & METHODS) | bad(keywords) | torch_load(called, keywords)
                )
            case _:
                continue
        if found:
            yield f"line {node.lineno}: {', '.join(found)}"


def bad(keywords):
    values = {
        (k.arg, k.value.value) for k in keywords if isinstance(k.value, ast.Constant)
    }
    return {name for name, _ in values & ARGUMENTS}


def torch_load(called, keywords):
    """``torch.load`` that does not say ``weights_only=True``."""
    if ast.unparse(called) != "torch.load":
        return set()
    said = {(k.arg, ast.unparse(k.value)) for k in keywords}
    return set() if ("weights_only", "True") in said else {"torch.load"}


@pytest.mark.parametrize(
    "file", [*SOURCES, *TEMPLATES], ids=lambda f: str(f.relative_to(ROOT / "src"))
)
def test_source_never_does(file):
    assert list(offences(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "eval(text)",
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "AutoModel.from_pretrained(source, trust_remote_code=True)",
        "np.load(file, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
        "bpy.ops.wm.open_mainfile(filepath=path)",
        "tar.extractall(folder)",
        "yaml.unsafe_load(text)",
    ],
)
def test_an_offence_is_found(line):
    assert len(list(offences(line))) == 1


def test_processes_are_started_in_two_places():
    found = {
        (str(file.relative_to(ROOT / "src" / "igllm_pipelines")), "subprocess")
        for file in SOURCES
        if re.search(r"^\s*(import|from) subprocess", file.read_text(), re.M)
    }
    assert found <= NEEDED


# --- servers ---------------------------------------------------------------------


def test_the_demo_listens_here_and_takes_files_of_bounded_size():
    (host,) = [option for option in demo.demo.params if option.name == "host"]
    assert host.default == "127.0.0.1"
    assert demo.MAX_UPLOAD == "64mb"
    served = inspect.getsource(demo.serve)
    for setting in ("max_file_size=MAX_UPLOAD", "share=False", "mcp_server=False"):
        assert setting in served
    assert "allowed_paths" not in served


def test_mlflow_listens_here():
    said = yaml.safe_load((ROOT / "conf" / "base" / "mlflow.yml").read_text())
    assert said["ui"]["host"] == "127.0.0.1"
    makefile = (ROOT / "Makefile").read_text()
    starts = [line for line in makefile.splitlines() if "mlflow server" in line]
    assert all("--host 127.0.0.1" in line for line in starts)


def test_no_address_of_all_interfaces_is_a_default():
    texts = {file: file.read_text(encoding="utf-8") for file in SOURCES}
    found = [
        file.name for file, text in texts.items() if re.search(r"[\"']0\.0\.0\.0", text)
    ]
    assert found == []


# --- configuration ---------------------------------------------------------------

CONFIGURATIONS = {
    "python": "training: !!python/object/apply:os.mkdir ['{folder}']",
    "python_name": "training: !!python/name:os.mkdir",
    "python_module": "training: !!python/module:antigravity",
    "python_new": "training: !!python/object/new:os.mkdir ['{folder}']",
    "resolver": "training: ${{eval:{code}}}",
    "environment": "training: ${{oc.env:HOME}}",
    "deep": "training: " + "[" * 400,
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_hostile_parameters(tmp_path, canary, name):
    conf = tmp_path / "conf" / "base"
    conf.mkdir(parents=True)
    text = CONFIGURATIONS[name].format(folder=canary.folder, code="canary")
    (conf / "parameters.yml").write_text(text)
    loader = OmegaConfigLoader(
        str(conf.parent),
        base_env="base",
        default_run_env="base",
        custom_resolvers=CONFIG_LOADER_ARGS["custom_resolvers"],
    )
    errors = (yaml.YAMLError, OmegaConfBaseException, ValueError, RecursionError)
    with pytest.raises(errors):
        loader["parameters"]
