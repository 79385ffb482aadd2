"""One MLflow run per (domain, encoding), through a real session's hooks."""

from dataclasses import dataclass

import pytest
from kedro.pipeline import Node, Pipeline

from igllm_pipelines.tracking.hook import TrackingHook
from igllm_pipelines.train.callbacks import _tell
from tests.tracking.sessions import (
    HISTORY,
    below,
    experiment_of,
    load_table,
    pipeline_of,
    run,
)


def test_each_encoding_has_one_run_in_its_domains_experiment(client):
    parent = run(
        pipeline_of(lambda history: {"val_ID": {"mse": history[-1]["loss"]}}),
        env="small",
    )
    runs = below(client, parent)
    assert set(runs) == {"2d.char", "2d.float"}
    session = client.get_run(parent).data
    for name, child in runs.items():
        domain, encoding = name.split(".")
        said = {"domain": domain, "encoding": encoding}
        assert child.data.params == said
        more = {"rotation_representation": "none", "scale": "small"}
        assert (said | more).items() <= child.data.tags.items()
        assert set(child.data.tags["git_dirty"]) <= set("truefalse")
        assert child.data.metrics["val_ID/mse"] == 0.25
        assert child.info.status == "FINISHED"
        assert experiment_of(client, child) == "test-2d"
        assert session.tags[f"run.{name}"] == child.info.run_id
    assert session.metrics == {}
    assert "seed" in session.tags["kedro_runtime_params"]


@dataclass(frozen=True)
class Settings:
    steps: int = 3
    rate: float = 0.5


def test_typed_parameters_are_logged_by_field(client):
    parts = [
        Pipeline([Node(lambda s: s, f"params:make.{d}", f"made_{d}", name=d)])
        for d in ("2d", "clevr")
    ]
    parameters = {
        "params:make.2d": Settings(1),
        "params:make.clevr": Settings(2),
    }
    logged = client.get_run(run(sum(parts, Pipeline([])), parameters)).data.params
    assert logged["make.2d.steps"] == "1"
    assert logged["make.clevr.steps"] == "2"


def test_parameters_of_char_and_float_have_the_same_names(client):
    names = ("training", "encoding", "domain", "seed", "variants")
    train = Node(lambda *_: {}, [f"params:{n}" for n in names], "metrics", name="train")
    parts = [
        Pipeline(
            [train],
            namespace=f"2d.{e}",
            parameters={
                "params:training": "params:training.2d",
                "params:encoding": f"params:encodings.{e}",
                "params:domain": "params:domains.2d",
                **{f"params:{n}": f"params:{n}" for n in ("seed", "variants")},
            },
        )
        for e in ("char", "float")
    ]
    parameters = {
        "params:training.2d": Settings(),
        "params:encodings.char": "char",
        "params:encodings.float": "float_slow_seed4",
        "params:domains.2d": "2d",
        "params:seed": 7,
        "params:variants": {"slow": {"training": {"rate": 0.1}}},
    }
    runs = below(client, run(sum(parts, Pipeline([])), parameters))
    common = {"domain": "2d", "training.steps": "3"}
    own = {"encoding": "char", "seed": "7", "training.rate": "0.5"}
    assert runs["2d.char"].data.params == {**common, **own}
    used = {"encoding": "float_slow_seed4", "seed": "4", "training.rate": "0.1"}
    assert runs["2d.float_slow_seed4"].data.params == {**common, **used}


def test_loss_curve_is_logged_by_step(client):
    child = below(client, run(pipeline_of(lambda _: {})))["2d.char"]
    curve = client.get_metric_history(child.info.run_id, "loss")
    assert [(m.step, m.value) for m in curve] == [(1, 0.5), (2, 0.25)]
    assert curve[0].timestamp < curve[1].timestamp


def test_curves_are_there_while_a_training_goes_on(client, monkeypatch):
    monkeypatch.setattr("igllm_pipelines.tracking.live._EVERY_S", 0.0)
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    seen = []

    def train():
        import time

        for row in HISTORY:
            _tell({**row, "samples_per_second": 100.0})
        (child,) = client.search_runs(
            [client.get_experiment_by_name("test-2d").experiment_id]
        )
        deadline = time.monotonic() + 30
        while len(seen) < 2 and time.monotonic() < deadline:
            seen[:] = client.get_metric_history(child.info.run_id, "loss")
            time.sleep(0.2)
        return HISTORY

    train = Node(train, None, "history", name="train")
    parent = run(Pipeline([train], namespace="2d.float"))
    assert [(point.step, point.value) for point in seen] == [(1, 0.5), (2, 0.25)]
    child = below(client, parent)["2d.float"]
    assert len(client.get_metric_history(child.info.run_id, "loss")) == 2
    assert child.data.metrics["samples_per_second"] == 100.0
    assert child.data.metrics["system/cpu_utilization_percentage"] >= 0


def test_intervals_and_the_comparison_are_kept(client):
    intervals = {
        "val_ID": {
            "l2": {"value": 1.0, "low": 0.5, "high": 2.0},
            "f1@0.25": {"value": 75.0, "low": 50.0, "high": 80.0},
        }
    }
    sure = Node(lambda: intervals, None, "intervals", name="sure")
    compare = Node(lambda: {"val_ID": {}}, None, "comparison", name="compare")
    parts = [
        Pipeline([sure], namespace="clevr.char"),
        Pipeline([compare], namespace="clevr"),
    ]
    parent = run(sum(parts, Pipeline([])))
    child = below(client, parent)["clevr.char"]
    assert child.data.metrics == {"val_ID/f1_at_0.25m": 75.0}
    (file,) = client.list_artifacts(child.info.run_id)
    assert file.path == "intervals.json"
    (file,) = client.list_artifacts(parent, "clevr")
    assert file.path == "clevr/comparison.json"


def test_results_and_predictions_are_kept_as_tables(client):
    import mlflow

    rows = [
        {"metric": "l2", "encoding": "char", "value": 0.4, "paper": None},
        {"metric": "l2", "encoding": "float", "value": 0.2, "paper": 0.16},
    ]
    records = {"val_ID": [{"image": "a.png", "program": "add()", "numbers": [1.0]}]}
    tabulate = Node(lambda: rows, None, "results", name="tabulate")
    predict = Node(lambda: records, None, "predictions", name="predict")
    parts = [
        Pipeline([tabulate], namespace="clevr"),
        Pipeline([predict], namespace="clevr.float"),
    ]
    parent = run(sum(parts, Pipeline([])))
    table = mlflow.load_table("clevr/results_table.json", run_ids=[parent])
    assert table["encoding"].tolist() == ["char", "float"]
    assert table["value"].tolist() == [0.4, 0.2]
    assert table["paper"].tolist()[1] == 0.16
    table = load_table(client, below(client, parent)["clevr.float"])
    assert table.to_dict("records") == [
        {"split": "val_ID", "image": "a.png", "program": "add()"}
    ]


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


@pytest.mark.parametrize(
    ("dataset", "place"),
    [("2d.data_docs", "2d/data_docs"), ("2d.efficiency.files", "2d.efficiency")],
)
def test_folders_are_artifacts_of_the_sessions_run(client, tmp_path, dataset, place):
    from kedro.io import DataCatalog

    from igllm_pipelines.datasets.files import FilesDataset

    page = {"index.html": b"page", "figures/one.png": b"picture"}
    files = FilesDataset(filepath=str(tmp_path / "files"))
    summary = f"{dataset.rpartition('.')[0]}.summary"
    nodes = [
        Node(lambda: page, None, dataset, name="draw", namespace="2d"),
        Node(lambda: "a table", None, summary, name="summarize", namespace="2d"),
    ]
    parent = run(Pipeline(nodes), catalog=DataCatalog({dataset: files}))
    found = {file.path for file in client.list_artifacts(parent, place)}
    assert {f"{place}/index.html", f"{place}/figures"} <= found
    beside = summary.removesuffix(".summary")
    names = {file.path for file in client.list_artifacts(parent, beside)}
    assert f"{beside}/summary.txt" in names


def test_two_runs_in_one_process_do_not_mix(client):
    pipeline = pipeline_of(lambda _: {})
    parents = [run(pipeline) for _ in range(2)]
    assert parents[0] != parents[1]
    assert all(len(below(client, parent)) == 2 for parent in parents)


def test_a_failed_node_marks_its_run(client):
    parent = run(pipeline_of(lambda _: 1 / 0))
    assert {c.info.status for c in below(client, parent).values()} == {"FAILED"}


def test_an_interrupt_leaves_no_run_open(client):
    import mlflow

    hook, pipeline = TrackingHook(), pipeline_of(lambda _: {})
    from kedro.io import DataCatalog

    node = next(n for n in pipeline.nodes if n.namespace == "2d.char")
    with mlflow.start_run() as session:
        hook.before_pipeline_run({}, pipeline, DataCatalog({}))
        hook.after_dataset_saved("2d.char.history", HISTORY, node)
        hook._killed()
    (child,) = below(client, session.info.run_id).values()
    assert child.info.status == "KILLED"
