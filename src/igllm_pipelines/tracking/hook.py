"""Tells MLflow of what Kedro runs.

kedro-mlflow opens one run a ``kedro run``, the session's. Nodes in a namespace
``<domain>.<encoding>`` are logged to a run of their own below it, in the experiment of
the domain, so that char and float compare side by side whatever selection of pipelines
was asked for.
"""

import atexit
import logging
from contextlib import ExitStack
from typing import Any

from kedro.framework.hooks import hook_impl

from igllm_pipelines.tracking import saved, server
from igllm_pipelines.tracking.live import LiveMetrics, Points, system_metrics
from igllm_pipelines.tracking.parameters import typed_fields
from igllm_pipelines.tracking.runs import (
    MODELS,
    Session,
    SessionRuns,
    is_training,
    log_params,
)

logger = logging.getLogger("igllm_pipelines")


class TrackingHook:
    """One MLflow run per (domain, encoding), below the session's run."""

    def __init__(self) -> None:
        self._client: Any = None
        self._session: Session | None = None
        self._runs: SessionRuns | None = None
        self._arrived: dict[str, Points] = {}  # by namespace
        self._watching: dict[str, ExitStack] = {}  # trainings that go on, by node
        atexit.register(self._killed)

    @hook_impl(tryfirst=True)  # before kedro-mlflow opens the database
    def after_context_created(self, context: Any) -> None:
        """Looks whether runs can be logged."""
        settings = context.config_loader["mlflow"]
        server.check_store(settings["server"]["mlflow_tracking_uri"])

    @hook_impl(trylast=True)  # after kedro-mlflow opened the session's run
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Any, catalog: Any
    ) -> None:
        """Remembers the session's run and what will be run."""
        import mlflow

        self._session, self._runs = None, None
        run = mlflow.active_run()
        if run is None:
            return
        self._client = mlflow.MlflowClient()
        env = run_params.get("env") or "local"
        self._session = Session(
            self._client.get_run(run.info.run_id),
            pipeline,
            catalog,
            scale="base" if env == "local" else env,
        )
        self._runs = SessionRuns(self._client, self._session)
        tags = {"scale": self._session.scale}
        if run_params.get("runtime_params"):
            tags["kedro_runtime_params"] = str(run_params["runtime_params"])
        for name, value in tags.items():
            self._client.set_tag(run.info.run_id, name, value)

    @hook_impl
    def before_node_run(self, node: Any, inputs: dict[str, Any]) -> None:
        """Opens the node's run; watches a training that begins."""
        if self._runs is None:
            return
        with self._explained():
            run_id = self._runs.of(node.namespace)
            if not is_training(node.namespace):
                log_params(self._client, run_id, typed_fields(inputs))
            elif any(name.endswith(".history") for name in node.outputs):
                self._watch(node, run_id)

    def _watch(self, node: Any, run_id: str) -> None:
        from igllm_pipelines.train.callbacks import watching

        def end() -> None:
            self._arrived[node.namespace] = live.close()

        live = LiveMetrics(self._client, run_id)
        stack = self._watching[node.name] = ExitStack()
        stack.callback(end)
        stack.enter_context(watching(live))
        stack.enter_context(system_metrics(run_id))

    @hook_impl
    def after_node_run(self, node: Any) -> None:
        """A training has ended."""
        self._watching.pop(node.name, ExitStack()).close()

    @hook_impl
    def on_node_error(self, node: Any) -> None:
        """A training has failed."""
        self._watching.pop(node.name, ExitStack()).close()

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Any) -> None:
        """Logs histories, metrics, models, tables and pages."""
        if self._runs is None or self._session is None:
            return
        # a study's datasets have its name too: the node says whose they are
        namespace, _, leaf = dataset_name.rpartition(".")
        with self._explained():
            run_id = self._runs.of(node.namespace)
            if leaf in MODELS:
                self._runs.trained(namespace, run_id)
            saved.log_saved(
                saved.Saved(
                    self._client,
                    run_id,
                    self._runs.base,
                    is_training(node.namespace),
                    namespace,
                    leaf,
                    data,
                    self._session.path(dataset_name),
                    self._arrived.get(namespace, set()),
                )
            )
            if leaf == "metrics":
                self._runs.done(namespace)

    @hook_impl(tryfirst=True)  # before kedro-mlflow ends the session's run
    def after_pipeline_run(self) -> None:
        """Ends the runs."""
        if self._runs is not None:
            with self._explained():
                self._runs.close()

    @hook_impl(tryfirst=True)
    def on_pipeline_error(self) -> None:
        """Marks the runs that did not come to their metrics as failed."""
        self._give_up("FAILED")

    def _killed(self) -> None:
        """Marks what an interrupt left open."""
        self._give_up("KILLED")

    def _give_up(self, status: str) -> None:
        """Ends the runs after an error, which is not to be hidden by another one."""
        if self._runs is None:
            return
        try:
            self._runs.close(status)
        except Exception as error:
            logger.warning("MLflow does not know that the runs ended: %s", error)

    def _explained(self) -> Any:
        return server.explained(self._client.tracking_uri)
