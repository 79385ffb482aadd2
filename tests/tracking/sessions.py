"""What a Kedro session does around its runner, on a database of the test's own."""

from kedro.framework.hooks import _create_hook_manager
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from igllm_pipelines.tracking.hook import TrackingHook

HISTORY = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]


def pipeline_of(metrics):
    """Two encodings that make a history and metrics of the same names."""
    piece = Pipeline(
        [
            Node(lambda: HISTORY, None, "history", name="train"),
            Node(metrics, "history", "metrics", name="evaluate"),
        ]
    )
    parts = [
        Pipeline(piece, namespace=f"2d.{encoding}") for encoding in ("char", "float")
    ]
    return sum(parts, Pipeline([]))


def run(pipeline, parameters=None, catalog=None, **run_params):
    """Runs a pipeline below a run that stands for kedro-mlflow's; returns its id.

    A ZeroDivisionError of a node is taken as a session takes it.
    """
    import mlflow
    from kedro.io import DataCatalog, MemoryDataset

    manager = _create_hook_manager()
    manager.register(TrackingHook())
    data = {name: MemoryDataset() for name in pipeline.datasets()}
    data |= {k: MemoryDataset(v) for k, v in (parameters or {}).items()}
    catalog = catalog or DataCatalog(data)
    params = {"runtime_params": {"seed": 3}, **run_params}
    with mlflow.start_run(run_name="parent") as parent:
        manager.hook.before_pipeline_run(
            run_params=params, pipeline=pipeline, catalog=catalog
        )
        try:
            SequentialRunner().run(pipeline, catalog, manager)
        except ZeroDivisionError as error:
            manager.hook.on_pipeline_error(
                error=error, run_params=params, pipeline=pipeline, catalog=catalog
            )
        else:
            manager.hook.after_pipeline_run(
                run_params=params, run_result={}, pipeline=pipeline, catalog=catalog
            )
        assert mlflow.active_run().info.run_id == parent.info.run_id
    return parent.info.run_id


def below(client, parent):
    """Runs below another one, in all experiments, by name."""
    places = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(places, f"tags.`mlflow.parentRunId` = '{parent}'")
    return {run.info.run_name: run for run in found}


def experiment_of(client, run):
    """Name of a run's experiment."""
    return client.get_experiment(run.info.experiment_id).name


def load_table(client, run):
    """The table of a run's predictions."""
    return client.load_table(
        run.info.experiment_id, "predictions_table.json", [run.info.run_id]
    )
