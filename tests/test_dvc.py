"""dvc.yaml says what pipelines, catalog and parameters say; DVC runs it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import grimp
import pytest
import yaml
from dvc.repo import Repo
from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project
from kedro.framework.project import pipelines as registered
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog

from igllm_pipelines.domains import DOMAINS, ENCODINGS

ROOT = Path(__file__).resolve().parents[1]
SRC = "src/igllm_pipelines"
# each run goes on with the first two by itself, and the pages hold times: not in DVC
UNTRACKED = ("checkpoints", "prediction_chunks", "tower_checkpoints", "data_docs")
PARTS = ("data", *ENCODINGS, "report")
LEAVES = [f"{domain}.{part}" for domain in DOMAINS for part in PARTS]


@pytest.fixture(scope="module")
def pipelines():
    bootstrap_project(ROOT)
    configure_project("igllm_pipelines")
    return dict(registered)


@pytest.fixture(scope="module")
def catalog():
    # not by a session: it would open MLflow's database
    from igllm_pipelines.settings import CONFIG_LOADER_ARGS

    loader = OmegaConfigLoader(conf_source=str(ROOT / "conf"), **CONFIG_LOADER_ARGS)
    return DataCatalog.from_config(loader["catalog"])


@pytest.fixture(scope="module")
def stages():
    """The stage of each pipeline."""
    repo = Repo(str(ROOT))
    stages = {stage.cmd.split("--pipelines=")[1]: stage for stage in repo.index.stages}
    assert all(s.cmd == f"kedro run --pipelines={name}" for name, s in stages.items())
    return stages


@pytest.fixture(scope="module")
def imports():
    return grimp.build_graph("igllm_pipelines")


def paths(catalog, names):
    """Where datasets lie, but for those that DVC leaves to the runs."""
    tracked = [name for name in names if name.rpartition(".")[2] not in UNTRACKED]
    return {Path(catalog[name]._filepath).as_posix() for name in tracked}


def dependencies(stage):
    return {dep.def_path for dep in stage.deps if not hasattr(dep, "params")}


def code_of(pipeline, catalog, imports):
    """The rooms whose code the nodes and the datasets of a pipeline may run."""
    datasets = [catalog[n] for n in pipeline.datasets() if not n.startswith("params:")]
    modules = {node.func.__module__ for node in pipeline.nodes}
    modules |= {type(dataset).__module__ for dataset in datasets}
    ours = {name for name in modules if name.startswith("igllm_pipelines.")}
    needed = ours.union(*map(imports.find_upstream_modules, ours))
    return {f"src/{name.replace('.', '/')}" for name in needed}


def test_a_stage_for_each_part_of_each_domain(stages):
    assert set(stages) == set(LEAVES)


@pytest.mark.parametrize("name", LEAVES)
def test_stage_makes_what_the_pipeline_writes(name, stages, pipelines, catalog):
    outs = {out.def_path for out in stages[name].outs}
    assert outs == paths(catalog, pipelines[name].all_outputs())


@pytest.mark.parametrize("name", LEAVES)
def test_stage_needs_what_the_pipeline_reads(name, stages, pipelines, catalog):
    inputs = {n for n in pipelines[name].inputs() if not n.startswith("params:")}
    data = {path for path in dependencies(stages[name]) if path.startswith("data/")}
    assert data == paths(catalog, inputs)


@pytest.mark.parametrize("name", LEAVES)
def test_stage_needs_the_code_that_the_pipeline_runs(
    name, stages, pipelines, catalog, imports
):
    code = {path for path in dependencies(stages[name]) if path.startswith(SRC)}
    assert all((ROOT / path).exists() for path in code)
    needed = code_of(pipelines[name], catalog, imports)
    # what holds no result: names, switches of libraries
    bare = {"src/igllm_pipelines", f"{SRC}/quiet", f"{SRC}/pipelines"}
    for module in needed - bare:
        above = {f"{module}.py", module, *map(str, Path(module).parents)}
        assert above & code, f"{name} runs {module}"


@pytest.mark.parametrize("name", LEAVES)
def test_stage_needs_the_parameters_of_the_pipeline(name, stages, pipelines):
    files = {
        dep.def_path: dep.params for dep in stages[name].deps if hasattr(dep, "params")
    }
    named = {parameter for names in files.values() for parameter in names}
    inputs = pipelines[name].inputs()
    assert named == {n.removeprefix("params:") for n in inputs if "params:" in n}
    for path, parameters in files.items():
        values = yaml.safe_load((ROOT / path).read_text())
        for parameter in parameters:
            value = values
            for key in parameter.split("."):
                value = value[key]


def test_plots_are_of_files_that_stages_make(stages):
    outs = {out.def_path for stage in stages.values() for out in stage.outs}
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    drawn = {path for plot in plots for axes in plot.values() for path in axes["y"]}
    assert drawn == {f"data/08_reporting/{domain}/curves.json" for domain in DOMAINS}
    assert drawn <= outs


class Project:
    """A repository of its own, at the scale of conf/test, whose data DVC makes."""

    def __init__(self, folder):
        self.folder = folder
        self.env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),
            "IGLLM_MLFLOW_URI": f"sqlite:///{folder}/mlruns/mlflow.db",
            "GIT_AUTHOR_NAME": "t",
            "GIT_AUTHOR_EMAIL": "t@example.org",
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@example.org",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def fill(self):
        self.folder.mkdir()
        for name in (".dvc/config", ".dvcignore", ".gitignore", "dvc.yaml"):
            (self.folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, self.folder / name)
        shutil.copy(ROOT / "pyproject.toml", self.folder)
        without = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / "src", self.folder / "src", ignore=without)
        shutil.copytree(ROOT / "conf", self.folder / "conf")
        for small in sorted((self.folder / "conf/test").glob("parameters*.yml")):
            self.change(small.name, yaml.safe_load(small.read_text()))
        self("git", "init", "--quiet")
        self.commit()

    def change(self, file, values):
        """Puts parameters into conf/base."""
        path = self.folder / "conf/base" / file
        base = yaml.safe_load(path.read_text())
        merge(base, values)
        path.write_text(yaml.safe_dump(base, sort_keys=False))

    def commit(self):
        self("git", "add", "--all")
        self("git", "commit", "--quiet", "--message", "as it is")

    def start(self, *command):
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *command):
        process = self.start(*command)
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output[-5000:]
        return output

    def ran(self, *command):
        """Names of the pipelines that a command ran, sorted: DVC has any order."""
        lines = self(*command).splitlines()
        return sorted(x.split("=")[1] for x in lines if x.startswith("> kedro run"))

    def shards(self):
        images = self.folder / "data/01_raw/2d/images"
        return {path.name: path.read_bytes() for path in images.glob("*.tar")}


def merge(base, values):
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            merge(base[name], value)
        else:
            base[name] = value


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """`2d` by DVC, from its scenes to its report, and committed."""
    project = Project(tmp_path_factory.mktemp("dvc") / "project")
    project.fill()
    ran = project.ran("dvc", "repro", "report@2d")
    assert ran == ["2d.char", "2d.data", "2d.float", "2d.report"]
    project.commit()
    return project


@pytest.fixture
def copied(project, tmp_path):
    """A copy that a test may change."""
    copy = Project(tmp_path / "copy")
    shutil.copytree(project.folder, copy.folder)
    return copy


@pytest.mark.slow
def test_nothing_changed_nothing_runs(project):
    assert project.ran("dvc", "repro", "report@2d") == []
    assert project("git", "status", "--porcelain") == ""


@pytest.mark.slow
def test_a_training_parameter_runs_what_depends_on_it(copied):
    steps = "conf/base/parameters_training.yml:training={2d: {steps: 4}}"
    ran = copied.ran("dvc", "exp", "run", "-n", "fewer", "-S", steps, "report@2d")
    assert ran == ["2d.char", "2d.float", "2d.report"]
    changed = json.loads(copied("dvc", "params", "diff", "--json"))
    (training,) = changed["conf/base/parameters_training.yml"].values()
    assert (training["old"], training["new"]) == (6, 4)
    # before it, DVC says that the other domains have none
    metrics = json.loads(copied("dvc", "metrics", "diff", "--json").splitlines()[-1])
    errors = metrics["data/08_reporting/2d/metrics.json"]
    assert errors["float.random.mse"]["diff"]
    drawn = copied("dvc", "plots", "diff", "--json", "HEAD")
    assert '"loss of 2d"' in drawn
    assert "fewer" in copied("dvc", "exp", "list")


@pytest.mark.slow
def test_a_rendering_parameter_leaves_no_stale_shard(copied):
    before = copied.shards()
    small = {"rendering": {"2d": {"scenes_per_shard": 50}}}
    copied.change("parameters_rendering.yml", small)
    assert copied.ran("dvc", "repro", "data@2d") == ["2d.data"]
    changed = copied.shards()
    assert len(changed) == 6
    small["rendering"]["2d"]["scenes_per_shard"] = 5000
    copied.change("parameters_rendering.yml", small)
    assert copied.ran("dvc", "repro", "data@2d") == ["2d.data"]
    assert copied.shards() == before


@pytest.mark.slow
def test_killed_in_training_it_goes_on(copied):
    steps = {"training": {"2d": {"steps": 40, "save_every": 2}}}
    copied.change("parameters_training.yml", steps)
    process = copied.start("dvc", "repro", "encoding@2d-float")
    checkpoints = copied.folder / "data/06_models/2d/float/checkpoints"
    deadline = time.monotonic() + 120
    while not (checkpoints / "checkpoint-10").exists():
        assert process.poll() is None, process.stdout.read()[-5000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    output = copied("dvc", "repro", "encoding@2d-float")
    assert "training goes on from" in output
    history = copied.folder / "data/08_reporting/2d/float/history.json"
    assert max(record["step"] for record in json.loads(history.read_text())) == 40


@pytest.mark.slow
def test_push_and_pull_by_a_clone(project, tmp_path):
    remote = ("dvc", "remote", "add", "--default", "--local", "near")
    project(*remote, str(tmp_path / "remote"))
    project("dvc", "push")
    clone = Project(tmp_path / "clone")
    project("git", "clone", "--quiet", str(project.folder), str(clone.folder))
    clone(*remote, str(tmp_path / "remote"))
    clone("dvc", "pull", "--with-deps", "report@2d")
    assert clone.shards() == project.shards()
    assert clone.ran("dvc", "repro", "report@2d") == []
