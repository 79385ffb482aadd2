"""The registry, the catalog and the configuration agree, and start-up stays light."""

import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project
from kedro.framework.project import pipelines as registered
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog

from igllm_pipelines.domains import DOMAINS, ENCODINGS, parse_encoding
from igllm_pipelines.scene.rotations import COMPONENTS

ROOT = Path(__file__).resolve().parents[1]
HEAVY = (
    "bpy",
    "great_expectations",
    "matplotlib",
    "mlflow",
    "open_clip",
    "pandas",
    "ray",
    "torch",
    "transformers",
)


@pytest.fixture(scope="module")
def pipelines():
    bootstrap_project(ROOT)
    configure_project("igllm_pipelines")
    return dict(registered)


def config(env):
    from igllm_pipelines.settings import CONFIG_LOADER_ARGS

    args = {**CONFIG_LOADER_ARGS, "default_run_env": env}
    return OmegaConfigLoader(conf_source=str(ROOT / "conf"), **args)


def loaded_modules(statement):
    """Which heavy modules a fresh interpreter holds after `statement`."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return {"kedro", *HEAVY} & set(out.stdout.split())


def test_every_part_has_its_name(pipelines):
    parts = {f"{d}.{p}" for d in DOMAINS for p in ("data", *ENCODINGS, "report")}
    ablations = {"2d.ablation", "clevr.ablation"}
    studies = {"2d.efficiency", "so3.rotation", *ablations}
    others = {*studies, "clevr.nsvqa", "clevr.nsvqa_report"}
    assert set(pipelines) == {*DOMAINS, *parts, *others, "__default__"}


def test_default_runs_2d_and_clevr(pipelines):
    nodes = {node.name for node in pipelines["__default__"].nodes}
    assert nodes == {n.name for d in ("2d", "clevr") for n in pipelines[d].nodes}


@pytest.mark.parametrize("domain", sorted(DOMAINS))
def test_parts_make_up_the_domain(pipelines, domain):
    parts = [pipelines[f"{domain}.{p}"] for p in ("data", *ENCODINGS, "report")]
    whole = {node.name for node in pipelines[domain].nodes}
    assert whole == {node.name for part in parts for node in part.nodes}
    free = pipelines[domain].inputs()
    needed = {n for n in free if not n.startswith("params:")}
    kinds = ("checkpoints", "prediction_chunks")
    folders = {f"{domain}.{e}.{kind}" for e in ENCODINGS for kind in kinds}
    assert needed - {f"{domain}.tower_checkpoints"} == folders


@pytest.mark.parametrize("env", ["local", "test"])
def test_studies_compare_known_variants(env):
    from igllm_pipelines.domains.variants import PARTS, overrides
    from igllm_pipelines.study.config import StudyConfig

    parameters = config(env)["parameters"]
    for name in ("ablation", "efficiency", "rotation"):
        for fields in parameters[name].values():
            study = StudyConfig(**fields)
            for encoding in study.bases:
                for part in PARTS:
                    overrides(
                        {**parameters["variants"], **study.variants}, encoding, part
                    )


def test_rotation_study_trains_every_representation():
    encodings = config("local")["parameters"]["rotation"]["so3"]["encodings"]
    assert set(encodings) == {f"float_{rep}" for rep in COMPONENTS}


def test_studies_are_not_in_a_domains_own_line(pipelines):
    # they would take too long
    studies = {n.name for n in pipelines["so3.rotation"].nodes}
    assert studies == {"so3.run_rotation", "so3.tabulate_rotation"}
    assert not studies & {n.name for n in pipelines["so3"].nodes}


def test_encodings_are_what_their_names_say_by_default():
    for name, value in config("local")["parameters"]["encodings"].items():
        assert parse_encoding(name) == parse_encoding(value)


def test_nsvqa_needs_nothing_of_the_model(pipelines):
    free = {n for n in pipelines["clevr.nsvqa"].inputs() if not n.startswith("params:")}
    assert free == {"clevr.raw", "clevr.syntax", "clevr.nsvqa.checkpoints"}


def test_nsvqa_stands_beside_char_and_float_in_a_report_of_its_own(pipelines):
    both, three = (pipelines[f"clevr.{n}"] for n in ("report", "nsvqa_report"))
    more = {n for n in three.inputs() - both.inputs() if n.startswith("clevr.nsvqa.")}
    names = ("metrics", "intervals", "history", "predictions")
    assert more == {f"clevr.nsvqa.{name}" for name in names}
    assert three.outputs() == both.outputs()


@pytest.mark.parametrize("env", ["local", "test"])
def test_every_dataset_and_parameter_is_configured(pipelines, env):
    loader = config(env)
    catalog = DataCatalog.from_config(loader["catalog"])
    parameters = loader["parameters"]
    for name in set().union(*(p.datasets() for p in pipelines.values())):
        if name.startswith("params:"):
            value = parameters
            for key in name.removeprefix("params:").split("."):
                value = value[key]
        else:
            filepath = Path(str(catalog.get(name)._filepath))
            folders = filepath.parts[
                filepath.parts.index("data" if env == "local" else "data_test") + 2 :
            ]
            assert folders[0] in DOMAINS, (name, filepath)


def test_package_import_is_light():
    assert loaded_modules("import igllm_pipelines") == set()


def test_registry_import_is_light():
    statement = (
        "from igllm_pipelines.pipeline_registry import register_pipelines\n"
        "register_pipelines()"
    )
    assert loaded_modules(statement) == {"kedro"}


def test_light_import_check_can_fail():
    assert loaded_modules("import pandas") == {"pandas"}


def test_hints_of_all_nodes_can_be_read(pipelines):
    # Kedro warns of each that cannot
    functions = {n.func for pipeline in pipelines.values() for n in pipeline.nodes}
    assert len(functions) > 10
    for function in functions:
        get_type_hints(function)
