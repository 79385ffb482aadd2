"""The documentation is true: its commands, names, paths, links and diagrams."""

import ast
import doctest
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Mapping
from copy import deepcopy
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from kedro.framework.cli.project import run as kedro_run

from igllm_pipelines.apps.main import main
from igllm_pipelines.apps.plan import trained_by
from igllm_pipelines.apps.project import Project, _overrides
from igllm_pipelines.baselines.ns_vqa.config import NsvqaConfig
from igllm_pipelines.domains import DOMAINS, ENCODINGS, parse_encoding
from igllm_pipelines.domains.sources import scene_config
from igllm_pipelines.domains.variants import overrides
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.model.config import ModelConfig, TowerConfig
from igllm_pipelines.pipeline_registry import register_pipelines
from igllm_pipelines.pipelines.reporting.nodes import ReportingConfig
from igllm_pipelines.render.config import rendering_config
from igllm_pipelines.report import front
from igllm_pipelines.scene.rotations import COMPONENTS
from igllm_pipelines.study.config import StudyConfig
from igllm_pipelines.train.config import FeatureConfig, TrainingConfig, WarmUpConfig
from tests.apps.chromium import visit
from tests.markdown import Block, blocks, commands, links, named, spans, table

ROOT = Path(__file__).parents[1]
CODE = ROOT / "src" / "igllm_pipelines"
README, DOCS = ROOT / "README.md", ROOT / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
BLOCKS = [block for page in PAGES for block in blocks(page)]
SHELL = "sh", "bash"
COMMANDS = [c for b in BLOCKS if b.language in SHELL for c in commands(b)]

# commands that are parsed alone: other people's programs, or the reader's machine
PARSED = {
    *(".", "blender", "cat", "cd", "cp", "curl", "docker", "export", "git", "head"),
    *("hf", "jupyter", "ls", "mkdir", "mkdocs", "nvidia-smi", "pip", "playwright"),
    *("printf", "python3.11", "rm", "sbatch", "scontrol", "set", "source", "sudo"),
}
# cheap ones are run, in this process or in one of their own, and must say this
RUN = {
    "igllm plan --env=paper --pipeline=shapenet": "1.34e+03",
    "igllm plan --env=paper --pipeline=clevr.float --gpus 8 --gpu h100": "33.5",
    "igllm assets check shapenet": "no problems",
    "igllm --help": "what training will cost",
    "kedro registry list": "shapenet.report",
    "make": "render, train, evaluate",
}
# files that a command before makes, or the reader has
MADE = {"scene.py"}
# where the options of a program stand, for those that take seconds to import
OPTIONS_OF = {
    "deepspeed": ("deepspeed/launcher/runner.py",),
    "mlflow": (
        "mlflow/cli/__init__.py",
        "mlflow/models/cli.py",
        "mlflow/utils/cli_args.py",
    ),
    "ray": ("ray/scripts/scripts.py",),
    "torchrun": ("torch/distributed/run.py",),
}
BY_DOMAIN = {
    "ablation": StudyConfig,
    "efficiency": StudyConfig,
    "model": ModelConfig,
    "nsvqa": NsvqaConfig,
    "rotation": StudyConfig,
    "tower": TowerConfig,
    "training": TrainingConfig,
    "warm_up": WarmUpConfig,
}
FOR_ALL = {
    "features": FeatureConfig,
    "inference": InferenceConfig,
    "reporting": ReportingConfig,
}


@cache
def pipelines():
    return register_pipelines()


@cache
def parameters(env=None):
    return Project(ROOT, env, ()).parameters


def merged(base, changed):
    """Nested mappings, `changed` over `base`."""
    result = deepcopy(dict(base))
    for key, value in changed.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def check_parameters(changed, env=None):
    """Every name is known and every value fits: the configurations take them."""
    found = merged(parameters(env), changed)
    for group, values in changed.items():
        if group in FOR_ALL:
            FOR_ALL[group](**found[group])
        elif group == "encodings":
            assert set(values) <= set(ENCODINGS)
            for encoding in values.values():
                overrides(found["variants"], encoding, "model")
        elif group == "seed":
            assert isinstance(values, int)
        elif group == "ray":
            rendering_config({}, found["ray"])
        else:
            assert set(values) <= set(DOMAINS), (group, list(values))
            for domain in values:
                check_domain(group, domain, found)


def check_domain(group, domain, found):
    given = found[group][domain]
    if group == "scenes":
        official = given.get("source") == "official"
        own = {"source", "root", "num_scenes", "yaw"}
        scene_config(
            domain, {k: v for k, v in given.items() if not official or k in own}
        )
    elif group == "rendering":
        rendering_config(given, found["ray"])
    else:
        config = BY_DOMAIN[group](**given)
        if isinstance(config, StudyConfig):
            TrainingConfig(**merged(found["training"][domain], config.training))


def parsed(command, words):
    """The values of a click command's options and arguments; unknown ones fail."""
    context = click.Context(command)
    values, _, order = command.make_parser(context).parse_args(list(words))
    if "--help" in words:
        return {}
    for param in command.params:
        given = values.get(param.name)
        is_given = isinstance(given, str | list | tuple) and len(given) > 0
        assert is_given or not param.required, param.name
        if is_given and not isinstance(param.type, click.Path):
            param.type_cast_value(context, given)
    return values


def check_kedro(words, folder):
    if words[1] != "run":
        assert " ".join(words) in RUN
        return
    values = kedro_run.make_context("kedro run", list(words[2:])).params
    assert set(values["pipelines"]) <= set(pipelines())
    nodes = {n.name for pipeline in pipelines().values() for n in pipeline.nodes}
    for name in ("node_names", "from_nodes", "to_nodes"):
        assert set(values[name] or ()) <= nodes
    assert values["env"] is None or (ROOT / "conf" / values["env"]).is_dir()
    check_parameters(values["params"], values["env"])


def check_igllm(words, folder):
    command, rest = main, list(words[1:])
    while isinstance(command, click.Group) and rest and rest[0] in command.commands:
        command = command.commands[rest.pop(0)]
    if isinstance(command, click.Group):
        assert rest in (["--help"], ["--version"])
        return
    values = parsed(command, rest)
    check_parameters(_overrides(tuple(values.get("params") or ())), values.get("env"))
    if "pipelines" in values:
        trained_by(values["pipelines"])
    if "split" in values:
        assert values["split"] in DOMAINS[values["domain"]].splits


def check_make(words, folder):
    verbs = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {word for word in words[1:] if "=" not in word} <= set(verbs)


def check_python(words, folder):
    if words[1] in MADE or words[1] in ("-m", "-c"):
        return
    text = (ROOT / folder / words[1]).read_text(encoding="utf-8")
    for option in options(words):
        assert f'"{option}"' in text, option


def check_pytest(words, folder):
    for word in words[1:]:
        assert word.startswith("-") or (ROOT / word).exists(), word


def check_dvc(words, folder):
    from dvc.cli import parse_args

    parse_args(list(words[1:]))


def check_by_text(words, folder):
    """Another program: its options stand in its source; kedro behind it is checked."""
    if "kedro" in words:
        start = words.index("kedro")
        assert words[start - 1] in ("-m", "--module")
        check_kedro(words[start:], folder)
        words = words[: start - 1]
    files = OPTIONS_OF[words[0]]
    package = importlib.util.find_spec(files[0].partition("/")[0]).origin
    found = [Path(package).parents[1] / file for file in files]
    text = "".join(f.read_text(encoding="utf-8") for f in found if f.exists())
    for option in options(words):
        assert f'"{option}"' in text, option


def options(words):
    return [word.partition("=")[0] for word in words if word.startswith("--")]


CHECKS = {
    "dvc": check_dvc,
    "igllm": check_igllm,
    "kedro": check_kedro,
    "make": check_make,
    "pytest": check_pytest,
    "python": check_python,
    **dict.fromkeys(OPTIONS_OF, check_by_text),
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_right(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    for command in (c for c in COMMANDS if c.where.startswith(f"{page.name}:")):
        words = command.words[command.words[0] == "srun" :]
        assert not any(re.search(r"<\w", word) for word in words), command
        name = Path(words[0]).name if words[0] != "." else "."
        if name in PARSED:
            continue
        try:
            CHECKS[name](words, command.folder)
        except Exception as error:
            error.add_note(f"{command.where}: {' '.join(words)}")
            raise


def test_commands_in_sentences_are_right(monkeypatch):
    monkeypatch.chdir(ROOT)
    for page in [page for page in PAGES if page.name != "experiments.md"]:
        for span in spans(page):
            try:
                check_span(span)
            except Exception as error:
                error.add_note(f"{page.name}: {span}")
                raise


def check_span(span):
    """A command without all that it needs; its names and options are known."""
    for mark, name in (("domain", "clevr"), ("encoding", "float")):
        span = span.replace(f"<{mark}>", name).replace(mark.upper(), name)
    name, *rest = span.split() or [""]
    if name == "make":
        check_make([name, *rest], ".")
    elif name == "kedro" and [word for word in rest if "=" in word]:
        check_kedro([name, *rest], ".")
    elif span.startswith("--params=") and " " not in span:
        check_kedro(["kedro", "run", span], ".")
    elif name == "igllm" and rest:
        command = main
        while isinstance(command, click.Group) and rest and rest[0][0] != "-":
            command = command.commands[rest.pop(0)]
        known = {option for param in command.params for option in param.opts}
        assert {*options(rest)} <= {*known, "--help"}


def test_examples_of_the_help_are_right(monkeypatch):
    monkeypatch.chdir(ROOT)
    examples = [example for command in leaves(main) for example in shown(command)]
    assert len(examples) > 20
    for example in examples:
        try:
            check_igllm(shlex.split(example), ".")
        except Exception as error:
            error.add_note(example)
            raise


def leaves(command):
    """A command and all below it."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return [command, *(leaf for child in below for leaf in leaves(child))]


def shown(command):
    """The examples in a command's help, without what is said beside them."""
    lines = re.sub(r"\\\n\s*", " ", command.help or "").splitlines()
    texts = (re.split(r" {3,}", line.strip())[0] for line in lines)
    return [text for text in texts if text.startswith("igllm ")]


def test_wrong_commands_are_seen(monkeypatch):
    monkeypatch.chdir(ROOT)
    wrong = """
        kedro run --pipelines=clevr.flaot
        kedro run --pipelines=2d --params=training.2d.step=800
        kedro run --params=training.2d.batch_size=64,training.2d.workers=7
        igllm data preview clevr val_ODD
        igllm reconstruct photo.png --out scenes
        igllm render scene.json --blender
        igllm plan --params scenes.clevr.max_object=4
        make reprodcue
        pytest tests/no_such_file.py
        torchrun --nproc 2 -m kedro run --pipelines=2d
        python benchmarks/train.py --size tiny
    """
    block = Block("wrong", 1, "sh", wrong)
    for words in (command.words for command in commands(block)):
        with pytest.raises(
            (AssertionError, ValueError, TypeError, click.ClickException)
        ):
            CHECKS[words[0]](words, ".")


@pytest.mark.parametrize("command", RUN)
def test_command_runs(command, monkeypatch):
    assert command in {" ".join(c.words) for c in COMMANDS}
    monkeypatch.chdir(ROOT)
    name, *rest = command.split()
    if name == "igllm":
        result = CliRunner().invoke(main, rest)
        code, output = result.exit_code, result.output
    else:
        paths = os.environ["PATH"].split(os.pathsep)
        path = os.pathsep.join([str(Path(sys.executable).parent), *paths])
        env = {**os.environ, "PATH": path}
        out = subprocess.run(
            [name, *rest], check=False, capture_output=True, text=True, env=env
        )
        code, output = out.returncode, out.stdout + out.stderr
    assert code == 0, output
    assert RUN[command] in output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_parse(page):
    for block in (block for block in BLOCKS if block.page == page.name):
        try:
            check_block(block)
        except Exception as error:
            error.add_note(f"{block.page}:{block.line}")
            raise


def check_block(block):
    if block.language in SHELL:
        subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
    elif block.language == "python" and ">>>" in block.text:
        doctest.DocTestParser().get_examples(block.text)
    elif block.language == "python":
        check_imports(ast.parse(block.text))
    elif block.language == "json":
        json.loads(block.text)
    elif block.language == "yaml":
        found = yaml.safe_load(block.text)
        if set(found) & {*parameters()}:
            check_parameters(found)
    else:
        assert block.language in ("", "text", "dockerfile", "ini")
        starts = re.findall(r"^([\w./]+) ", block.text, re.MULTILINE)
        assert not {*starts} & {*CHECKS}, "a shell block without its language"


def check_imports(tree):
    """What a snippet imports from the project is there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith(CODE.name):
            path = CODE.joinpath(*node.module.split(".")[1:])
            file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            text = file.read_text(encoding="utf-8")
            for alias in node.names:
                assert re.search(rf"\b{alias.name}\b", text), (node.module, alias.name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_exist(page):
    for target in links(page):
        assert (page.parent / target).exists(), target
    for span in spans(page):
        assert path_exists(span), span


def path_exists(span):
    """Whether a path of the project, its code or its data is there; True for others."""
    span = span.rstrip("/")
    if re.fullmatch(r"(data\w*/)?0[1-8]_\w+(/[\w<>.{},-]+)*", span) and "/" in span:
        return data_path_exists(span)
    if re.fullmatch(r"(src|tests|docs|benchmarks|notebooks|conf)/[\w<>./*-]+", span):
        env = re.sub(r"<env>", "base", span)
        study = env.replace("<study>", "ablation")
        return span.startswith("conf/local") or any(ROOT.glob(study))
    rooms = "|".join(path.name for path in CODE.iterdir() if path.is_dir())
    if re.fullmatch(rf"({rooms})/[\w/]+\.py", span):
        return (CODE / span).exists()
    return True


@cache
def data_entries():
    catalog = Project(ROOT, None, ())._read("catalog")
    return {
        str(entry["filepath"]).removeprefix("data/")
        for entry in catalog.values()
        if isinstance(entry, Mapping) and "filepath" in entry
    }


def data_path_exists(span):
    path = re.sub(r"^data\w*/", "", span)
    first, *rest = path.split("/")
    names = {f"<{name}>": f"{{{name}}}" for name in ("domain", "encoding", "study")}
    names |= dict.fromkeys(DOMAINS, "{domain}") | dict.fromkeys(ENCODINGS, "{encoding}")
    path = "/".join([first, *(names.get(part, part) for part in rest)])
    study = re.sub(r"/(ablation|efficiency|rotation)\b", "/{study}", path)
    paths = path, path.replace("/nsvqa", "/{encoding}"), study
    return path == f"08_reporting/{front.PATH}" or any(
        entry == path
        or entry.startswith(f"{path}/")
        or (path.startswith(f"{entry}/") and not Path(entry).suffix)
        for entry in data_entries()
        for path in paths
    )


def test_wrong_paths_are_seen():
    wrong = """
        data/06_models/clevr/flaot/package
        data/08_reporting/<domain>/metric.json
        conf/base/parameters_render.yml
        src/igllm_pipelines/train/costs.py
        infer/scorings.py
    """
    assert not any(path_exists(span) for span in wrong.split())


def test_domains_and_splits_are_those_of_the_code():
    splits = {name: domain.splits for name, domain in DOMAINS.items()}
    rows = table(DOCS / "names.md", "domain")
    assert {
        named(d)[0]: (*named(train), *named(test)) for d, train, test in rows
    } == splits
    rows = table(README, "domain")
    assert {named(d)[0]: named(test) for d, _, test in rows} == {
        name: found[1:] for name, found in splits.items()
    }
    for domain, _, said in table(DOCS / "data.md", "domain"):
        assert {*named(said)} == {*splits[named(domain)[0]]}


def test_encodings_are_those_of_the_code():
    parts = {row[0]: named(row[1]) for row in table(DOCS / "names.md", "part")}
    assert list(parts.values()) == [
        ENCODINGS,
        tuple(COMPONENTS),
        tuple(parameters()["variants"]),
    ]
    said = {n for row in table(DOCS / "training.md", "variant") for n in named(row[0])}
    assert said == set(parameters()["variants"])
    reps = table(DOCS / "conventions.md", "name")
    assert {named(name)[0]: int(count) for name, count, _ in reps} == COMPONENTS
    assert parse_encoding("float_quat_feedback_seed2").seed == 2


def test_pipelines_and_nodes_are_those_of_the_code():
    said = set()
    for name, _, of in table(DOCS / "names.md", "name"):
        domains = named(of) or tuple(DOMAINS)
        said |= {named(name)[0].replace("<domain>", domain) for domain in domains}
    assert said == {name for name in pipelines() if name != "__default__"}
    for names, nodes in table(DOCS / "names.md", "pipeline"):
        for name in [n for n in named(names) if not n.endswith("<node>")]:
            found = pipelines()[name.replace("<domain>", "so3")].nodes
            assert {n.name.rpartition(".")[2] for n in found} == {*named(nodes)}


def test_environments_are_those_of_the_project():
    rows = table(DOCS / "names.md", "`--env`")
    said = {named(env)[0]: named(folder)[0] for env, _, folder in rows}
    files = {p.parent.name: p for p in (ROOT / "conf").glob("*/globals.yml")}
    found = {env: yaml.safe_load(p.read_text())["data"] for env, p in files.items()}
    assert said == {**found, "local": found["base"]}


@cache
def diagrams():
    spec = importlib.util.spec_from_file_location("diagrams", DOCS / "diagrams.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["rooms", "line"])
def test_diagram_is_drawn_from_the_code(name):
    drawn = getattr(diagrams(), f"{name}_svg")()
    assert (DOCS / f"{name}.svg").read_text(encoding="utf-8") == drawn, (
        "python docs/diagrams.py draws it again"
    )


def test_rooms_and_their_imports_are_those_of_the_code():
    found = diagrams().imports()
    rows = table(DOCS / "architecture.md", "room")
    assert {named(room)[0] for room, _, _ in rows} == set(found)
    for room, _, others in rows:
        if not others.startswith(("all", "rooms")):
            assert {*named(others)} == found[named(room)[0]], room
    folders = {named(folder)[0] for folder, _ in table(README, "folder")}
    said = {Path(f).name for f in folders if f.startswith("src/igllm_pipelines/")}
    assert said == set(found)


@cache
def messages():
    """Every text of the code, with a mark where a value is filled in."""
    found = set()
    for path in CODE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (p.value for p in node.values if isinstance(p, ast.Constant))
                found.add("\0".join(map(str, parts)))
    return found


def test_errors_of_the_troubleshooting_page_are_those_of_the_code():
    lines = (DOCS / "troubleshooting.md").read_text(encoding="utf-8").splitlines()
    said = [line.split(" | ")[0].strip("|` ") for line in lines if line[:3] == "| `"]
    assert len(said) > 40
    for message in said:
        pieces = [re.escape(piece) for piece in message.split("...") if piece]
        pattern = re.compile(".*".join(pieces), re.DOTALL)
        assert any(pattern.search(text) for text in messages()), message


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages, built as `make docs` builds them."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict"]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    out = subprocess.run(
        [*build, "--site-dir", folder],
        check=False,
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )
    assert out.returncode == 0, out.stderr
    assert out.stderr == ""
    return folder


@pytest.fixture
def address(site):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=site)
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_pages_load_nothing_from_elsewhere(address):
    with visit(f"http://{address}/architecture.html") as seen:
        seen.page.wait_for_load_state("networkidle")
        pictures = seen.page.eval_on_selector_all(
            "article img", "images => images.map(image => image.naturalWidth)"
        )
        assert len(pictures) == 2
        assert all(pictures)
    assert seen.hosts == {address}
    assert seen.errors == []
