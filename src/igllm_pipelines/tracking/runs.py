"""The runs of a Kedro session: its own, and one for each domain and encoding."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from igllm_pipelines.report.revision import dvc_revision
from igllm_pipelines.tracking import origin, parameters
from igllm_pipelines.tracking.server import experiment_id

MODELS = ("model", "parser")  # datasets that a training makes
PARENT = "mlflow.parentRunId"
_COPIED = ("mlflow.user", "mlflow.source.")  # tags of the session for its trainings
_BATCH = 100  # MLflow's limit of parameters and tags in one call


def is_training(namespace: str | None) -> bool:
    """Whether a namespace is ``<domain>.<encoding>``."""
    return bool(namespace) and str(namespace).count(".") == 1


@dataclass(frozen=True)
class Session:
    """What a Kedro session runs.

    Attributes:
        run: of MLflow, which kedro-mlflow opened for the session.
        pipeline: of Kedro, as it was selected.
        catalog: of Kedro.
        scale: the configuration environment.
    """

    run: Any
    pipeline: Any
    catalog: Any
    scale: str

    def path(self, dataset: str) -> Path | None:
        """Where a dataset lies; None for one in memory, or none of the catalog."""
        path = getattr(self.catalog.get(dataset), "_filepath", None)
        return None if path is None else Path(path)

    def nodes(self, namespace: str) -> list[Any]:
        """The selected nodes of a namespace."""
        return [n for n in self.pipeline.nodes if n.namespace == namespace]

    def trains(self, namespace: str) -> bool:
        """Whether the session makes the model of a namespace, or its tokens."""
        made = {name for node in self.nodes(namespace) for name in node.outputs}
        return any(f"{namespace}.{leaf}" in made for leaf in (*MODELS, "tokens"))

    def model_digest(self, namespace: str) -> str | None:
        """Fingerprint of the stored model of a namespace, None without one."""
        for leaf in MODELS:
            folder = self.path(f"{namespace}.{leaf}")
            if folder is not None and (digest := origin.model_digest(folder)):
                return digest
        return None


class SessionRuns:
    """Opens runs as they are needed, and ends them.

    A session that trains opens a run for the training, in the experiment of its domain.
    One that only asks or scores a model goes on in the run of its training.

    Args:
        client: of MLflow.
        session: that the runs belong to.
    """

    def __init__(self, client: Any, session: Session) -> None:
        self._client = client
        self._session = session
        self._base = client.get_experiment(session.run.info.experiment_id)
        self._open: dict[str, str] = {}
        self._status: dict[str, str] = {}  # how each ends if the session fails
        self._data_tags: dict[str, dict[str, str]] = {}

    @property
    def base(self) -> str:
        """Name of the session's experiment; other names begin with it."""
        return str(self._base.name)

    def of(self, namespace: str | None) -> str:
        """The id of a namespace's run; a domain's own belongs to the session's run."""
        if namespace is None or not is_training(namespace):
            return str(self._session.run.info.run_id)
        if namespace not in self._open:
            self._open[namespace] = self._opened(namespace)
        return self._open[namespace]

    def done(self, namespace: str) -> None:
        """The run has all it was opened for, whatever comes after."""
        self._status[namespace] = "FINISHED"

    def close(self, status: str | None = None) -> None:
        """Ends all runs.

        Args:
            status: of those that are not done; None if all went well.
        """
        for namespace, run_id in self._open.items():
            ended = self._status.get(namespace, status) if status else "FINISHED"
            self._client.set_terminated(run_id, ended)
        self._open, self._status = {}, {}

    def _opened(self, namespace: str) -> str:
        session, client = self._session, self._client
        given = parameters.of_encoding(session.nodes(namespace), session.catalog)
        domain, encoding = namespace.partition(".")[0], _encoding(namespace, given)
        given |= {"domain": domain, "encoding": encoding}
        place = experiment_id(client, f"{self.base}-{domain}", beside=self._base)
        trained = None if session.trains(namespace) else self._before(namespace, place)
        if trained is not None and not _differences(trained.data.params, given):
            run_id = str(trained.info.run_id)
            self._status[namespace] = trained.info.status
            client.update_run(run_id, status="RUNNING")
            given = {k: v for k, v in given.items() if k not in trained.data.params}
        else:
            # parameters of MLflow never change: other ones are a run below
            above = session.run if trained is None else trained
            tags = {**self._tags(domain, encoding), PARENT: above.info.run_id}
            run = client.create_run(place, run_name=f"{domain}.{encoding}", tags=tags)
            run_id = str(run.info.run_id)
            if trained is None and not session.trains(namespace):
                self.trained(namespace, run_id)
        log_params(client, run_id, given)
        client.set_tag(session.run.info.run_id, f"run.{namespace}", run_id)
        self._log_input(run_id, domain)
        return run_id

    def trained(self, namespace: str, run_id: str) -> None:
        """Marks the run that belongs to the stored model of a namespace."""
        if digest := self._session.model_digest(namespace):
            self._client.set_tag(run_id, "model_digest", digest)

    def _before(self, namespace: str, place: str) -> Any:
        """The run that trained the stored model, None where it is not known."""
        digest = self._session.model_digest(namespace)
        if digest is None:
            return None
        found = self._client.search_runs(
            [place],
            f"tags.model_digest = '{digest}'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
        return found[0] if found else None

    def _tags(self, domain: str, encoding: str) -> dict[str, str]:
        copied = {
            name: value
            for name, value in self._session.run.data.tags.items()
            if name.startswith(_COPIED)
        }
        return {
            **copied,
            "domain": domain,
            "encoding": encoding,
            "rotation_representation": _rotation(domain, encoding),
            "scale": self._session.scale,
            **origin.code_tags(),
            **self._data(domain),
        }

    def _data(self, domain: str) -> dict[str, str]:
        """Digest and DVC revision of a domain's data, read once; none in memory."""
        if domain not in self._data_tags:
            path = self._session.path(f"{domain}.raw")
            self._data_tags[domain] = {}
            if path is not None and path.is_dir():
                found = {
                    "data_digest": origin.data_digest(path),
                    "dvc_revision": dvc_revision(path),
                }
                known = {name: value for name, value in found.items() if value}
                self._data_tags[domain] = known
        return self._data_tags[domain]

    def _log_input(self, run_id: str, domain: str) -> None:
        """Ties a run to its data."""
        if "data_digest" not in self._data(domain):
            return
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = {"uri": str(self._session.path(f"{domain}.raw"))}
        digest = self._data(domain)["data_digest"]
        raw = Dataset(f"{domain}.raw", digest, "local", json.dumps(source))
        context = InputTag("mlflow.data.context", "training")
        self._client.log_inputs(run_id, [DatasetInput(raw, [context])])


def _encoding(namespace: str, given: Mapping[str, str]) -> str:
    """The encoding that a namespace has now; the name of a baseline."""
    from igllm_pipelines.domains import ENCODINGS

    leaf = namespace.partition(".")[2]
    return given.get("encoding", leaf) if leaf in ENCODINGS else leaf


def _rotation(domain: str, encoding: str) -> str:
    """How programs write rotations; ``none`` where they have none."""
    from igllm_pipelines.domains import DOMAINS, ENCODINGS, encoding_syntax

    syntax = DOMAINS[domain].syntax
    if "rotation" not in syntax.attributes:
        return "none"
    written = encoding.startswith(ENCODINGS)  # a baseline writes as the domain does
    return (encoding_syntax(syntax, encoding) if written else syntax).rotation_rep


def _differences(logged: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """Names of parameters that a run has with another value."""
    return sorted(k for k, v in given.items() if logged.get(k, v) != v)


def log_params(client: Any, run_id: str, values: Mapping[str, str]) -> None:
    """Logs parameters in few calls."""
    from mlflow.entities import Param

    params = [Param(name, value) for name, value in values.items()]
    for start in range(0, len(params), _BATCH):
        client.log_batch(run_id, params=params[start : start + _BATCH])
