"""One MLflow run per (domain, encoding), through a real session's hooks."""

from dataclasses import dataclass

import pytest
from kedro.framework.hooks import _create_hook_manager
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from igllm_pipelines.guards import GroupHook
from igllm_pipelines.hooks import ExperimentRunHook, ProgressHook, flatten


@pytest.fixture
def client(tmp_path):
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.create_experiment("test", artifact_location=str(tmp_path / "artifacts"))
    mlflow.set_experiment("test")
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


def pipeline_of(metrics):
    """Two experiments that make a history and metrics of the same names."""
    piece = Pipeline(
        [
            Node(
                lambda: [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}],
                None,
                "history",
                name="train",
            ),
            Node(metrics, "history", "metrics", name="evaluate"),
        ]
    )
    parts = [
        Pipeline(piece, namespace=f"2d.{encoding}") for encoding in ("char", "float")
    ]
    return sum(parts, Pipeline([]))


def run(pipeline, parameters=None, catalog=None):
    """What a session does around its runner, kedro-mlflow's parent run included."""
    import mlflow
    from kedro.io import DataCatalog, MemoryDataset

    manager = _create_hook_manager()
    hook = ExperimentRunHook()
    manager.register(hook)
    data = {name: MemoryDataset() for name in pipeline.datasets()}
    data |= {k: MemoryDataset(v) for k, v in (parameters or {}).items()}
    catalog = catalog or DataCatalog(data)
    with mlflow.start_run(run_name="parent") as parent:
        manager.hook.before_pipeline_run(
            run_params={"runtime_params": {"seed": 3}},
            pipeline=pipeline,
            catalog=catalog,
        )
        try:
            SequentialRunner().run(pipeline, catalog, manager)
        except ZeroDivisionError as error:
            manager.hook.on_pipeline_error(
                error=error, run_params={}, pipeline=pipeline, catalog=catalog
            )
        else:
            manager.hook.after_pipeline_run(
                run_params={}, run_result={}, pipeline=pipeline, catalog=catalog
            )
        assert mlflow.active_run().info.run_id == parent.info.run_id
    return parent.info.run_id


def children(client, parent):
    found = client.search_runs(
        [client.get_run(parent).info.experiment_id],
        f"tags.`mlflow.parentRunId` = '{parent}'",
    )
    return {run.info.run_name: run for run in found}


def test_each_experiment_has_one_run(client):
    parent = run(pipeline_of(lambda history: {"val_ID": {"mse": history[-1]["loss"]}}))
    runs = children(client, parent)
    assert set(runs) == {"2d.char", "2d.float"}
    for name, child in runs.items():
        domain, encoding = name.split(".")
        assert child.data.params == {"domain": domain, "encoding": encoding}
        assert child.data.metrics["val_ID/mse"] == 0.25
        assert child.info.status == "FINISHED"
    assert client.get_run(parent).data.metrics == {}
    assert "seed" in client.get_run(parent).data.tags["kedro_runtime_params"]


@dataclass(frozen=True)
class Settings:
    steps: int = 3


def test_typed_parameters_are_logged_by_field(client):
    parts = [
        Pipeline([Node(lambda s: s, f"params:make.{d}", f"made_{d}", name=d)])
        for d in ("2d", "clevr")
    ]
    child = Pipeline(
        [Node(lambda s: {}, "params:training", "metrics", name="train")],
        namespace="2d.float",
        parameters={"params:training": "params:training.2d"},
    )
    pipeline = sum(parts, child)
    parameters = {
        "params:make.2d": Settings(1),
        "params:make.clevr": Settings(2),
        "params:training.2d": Settings(3),
    }
    parent = run(pipeline, parameters)
    logged = client.get_run(parent).data.params
    assert logged == {"make.2d.steps": "1", "make.clevr.steps": "2"}
    assert children(client, parent)["2d.float"].data.params["training.steps"] == "3"


def test_loss_curve_is_logged_by_step(client):
    parent = run(pipeline_of(lambda _: {}))
    child = children(client, parent)["2d.char"]
    curve = client.get_metric_history(child.info.run_id, "loss")
    assert [(m.step, m.value) for m in curve] == [(1, 0.5), (2, 0.25)]
    assert curve[0].timestamp < curve[1].timestamp


def test_intervals_and_the_comparison_are_kept(client):
    intervals = {"val_ID": {"mse": {"value": 1.0, "low": 0.5, "high": 2.0}}}
    sure = Node(lambda: intervals, None, "intervals", name="sure")
    compare = Node(lambda: {"val_ID": {}}, None, "comparison", name="compare")
    parts = [Pipeline([sure], namespace="2d.char"), Pipeline([compare], namespace="2d")]
    parent = run(sum(parts, Pipeline([])))
    child = children(client, parent)["2d.char"]
    (file,) = client.list_artifacts(child.info.run_id)
    assert file.path == "intervals.json"
    (file,) = client.list_artifacts(parent, "2d")
    assert file.path == "2d/comparison.json"


def test_results_are_kept_as_a_table(client):
    import mlflow

    rows = [
        {"metric": "l2", "encoding": "char", "value": 0.4, "paper": None},
        {"metric": "l2", "encoding": "float", "value": 0.2, "paper": 0.16},
    ]
    tabulate = Node(lambda: rows, None, "results", name="tabulate")
    parent = run(Pipeline([tabulate], namespace="clevr"))
    table = mlflow.load_table("clevr/results_table.json", run_ids=[parent])
    assert table["encoding"].tolist() == ["char", "float"]
    assert table["value"].tolist() == [0.4, 0.2]
    assert table["paper"].tolist()[1] == 0.16


@pytest.mark.parametrize("study", ["ablation", "efficiency", "rotation"])
def test_a_study_is_kept_as_a_table(client, study):
    rows = [
        {"encoding": "float", "mean": 1.0, "ratio": None, "range": {"mse": [1, 2]}},
        {"encoding": "float_linear", "mean": 3.0, "ratio": {"mean": 3.0, "low": 2.0}},
    ]
    tabulate = Node(lambda: rows, None, study, name="tabulate")
    parent = run(Pipeline([tabulate], namespace="2d"))
    files = {file.path for file in client.list_artifacts(parent, "2d")}
    assert files == {f"2d/{study}.json", f"2d/{study}_table.json"}
    import mlflow

    table = mlflow.load_table(f"2d/{study}_table.json", run_ids=[parent])
    assert table["encoding"].tolist() == ["float", "float_linear"]
    assert table["ratio.mean"].tolist()[1] == 3.0


def test_plot_of_a_study_lies_beside_its_summary(client, tmp_path):
    import mlflow
    from kedro.io import DataCatalog

    from igllm_pipelines.datasets.files import FilesDataset

    files = FilesDataset(filepath=str(tmp_path / "files"))
    files.save({"plot.png": b"picture", "table.csv": b"encoding"})
    hook = ExperimentRunHook()
    with mlflow.start_run() as run:
        catalog = DataCatalog({"2d.efficiency.files": files})
        hook.before_pipeline_run(run_params={}, catalog=catalog)
        hook.after_dataset_saved("2d.efficiency.files", {})
        hook.after_dataset_saved("2d.efficiency.summary", "a table")
    found = {f.path for f in client.list_artifacts(run.info.run_id, "2d.efficiency")}
    names = ("plot.png", "summary.txt", "table.csv")
    assert found == {f"2d.efficiency/{name}" for name in names}


def test_two_runs_in_one_process_do_not_mix(client):
    pipeline = pipeline_of(lambda _: {})
    parents = [run(pipeline) for _ in range(2)]
    assert parents[0] != parents[1]
    assert all(len(children(client, parent)) == 2 for parent in parents)


def test_a_failed_node_marks_its_run(client):
    parent = run(pipeline_of(lambda _: 1 / 0))
    assert "FAILED" in {c.info.status for c in children(client, parent).values()}


def test_data_docs_are_artifacts_of_the_sessions_run(client, tmp_path):
    import mlflow
    from kedro.io import DataCatalog

    from igllm_pipelines.datasets.files import FilesDataset

    docs = FilesDataset(filepath=str(tmp_path / "docs"))
    docs.save({"index.html": b"pages", "validations/one.html": b"page"})
    hook = ExperimentRunHook()
    with mlflow.start_run() as run:
        catalog = DataCatalog({"so3.data_docs": docs})
        hook.before_pipeline_run(run_params={}, catalog=catalog)
        hook.after_dataset_saved("so3.data_docs", {})
    logged = client.list_artifacts(run.info.run_id, "so3/data_docs")
    assert {file.path for file in logged} == {
        "so3/data_docs/index.html",
        "so3/data_docs/validations",
    }


def test_a_package_is_the_model_of_its_run(client, tmp_path):
    from kedro.io import DataCatalog, MemoryDataset

    from igllm_pipelines.apps.models import package_folder
    from igllm_pipelines.datasets.model import PackageDataset
    from igllm_pipelines.infer.package import load_package
    from tests.apps.packages import package_contents

    folder = str(tmp_path / "package")
    dataset = PackageDataset(filepath=folder, model=str(tmp_path / "none"))
    package = Node(lambda: package_contents("2d"), None, "package", name="package")
    use = Node(lambda package: package.encoding, "package", "encoding", name="use")
    pipeline = Pipeline([package, use], namespace="2d.float")
    stored = DataCatalog(
        {"2d.float.package": dataset, "2d.float.encoding": MemoryDataset()}
    )
    run_id = children(client, run(pipeline, catalog=stored))["2d.float"].info.run_id
    assert stored.load("2d.float.encoding") == "float"
    found = load_package(package_folder(f"runs:/{run_id}/model"))
    assert found.syntax == load_package(tmp_path / "package").syntax
    (output,) = client.get_run(run_id).outputs.model_outputs
    assert package_folder(f"models:/{output.model_id}").is_relative_to(tmp_path)


def test_flatten_names_leaves():
    assert dict(flatten({"a": {"b": {"c": 1}}, "d": 2})) == {"a.b.c": 1, "d": 2}


def test_summaries_come_at_the_end(capsys):
    hook = ProgressHook()
    hook.before_pipeline_run(Pipeline([]))
    hook.after_dataset_saved("2d.summary", "the table")
    assert capsys.readouterr().out == ""
    hook.after_pipeline_run()
    assert "the table" in capsys.readouterr().out


def training_of_two(rank, monkeypatch, *others):
    """What GroupHook makes of a catalog in one of two processes."""
    from kedro.io import DataCatalog
    from kedro_datasets.json import JSONDataset

    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", "2")
    train = Node(lambda: [], None, "history", name="train_model")
    pipeline = Pipeline(Pipeline([train, *others]), namespace="2d.float")
    catalog = DataCatalog({"2d.float.history": JSONDataset(filepath="nowhere.json")})
    GroupHook().before_pipeline_run(pipeline=pipeline, catalog=catalog)
    return type(catalog["2d.float.history"]).__name__


def test_first_process_of_a_group_alone_stores_what_it_trained(monkeypatch):
    assert training_of_two(0, monkeypatch) == "JSONDataset"
    assert training_of_two(1, monkeypatch) == "MemoryDataset"


@pytest.mark.parametrize("rank", [0, 1])
def test_processes_of_a_group_share_nothing_but_training(monkeypatch, rank):
    other = Node(len, "history", "count", name="evaluate")
    with pytest.raises(ValueError, match=r"run 2d\.float\.evaluate; run the other"):
        training_of_two(rank, monkeypatch, other)
