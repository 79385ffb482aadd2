"""The Kedro project that a command runs in: its parameters and its data folders."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from kedro.config import OmegaConfigLoader
    from kedro.io import DataCatalog

    from igllm_pipelines.domains.sources import SceneConfig
    from igllm_pipelines.render.config import RenderingConfig
    from igllm_pipelines.report.results import Results

Command = TypeVar("Command", bound=Callable[..., Any])


def project_options(command: Command) -> Command:
    """Adds ``--env`` and ``--params``, as ``kedro run`` has them."""
    params = click.option(
        "--params",
        multiple=True,
        metavar="NAME=VALUE",
        help="Overrides a parameter, as in --params scenes.clevr.max_objects=4; "
        "may be given several times.",
    )
    env = click.option(
        "--env", metavar="ENV", help="Configuration environment, a folder in conf/."
    )
    return env(params(command))


@dataclass(frozen=True)
class Project:
    """The project around the current folder.

    Attributes:
        root: its folder.
        env: configuration environment, None for the default one.
        params: overrides of parameters, ``scenes.clevr.max_objects=4``.
    """

    root: Path
    env: str | None
    params: tuple[str, ...]

    @classmethod
    def here(cls, env: str | None, params: tuple[str, ...] = ()) -> "Project":
        """The project of the current folder or of one above it.

        Raises:
            ClickException: there is none.
        """
        from kedro.utils import find_kedro_project

        root = find_kedro_project(Path.cwd())
        if root is None:
            raise click.ClickException(
                f"{Path.cwd()} lies in no project: go to the folder with "
                "pyproject.toml and conf/"
            )
        return cls(root, env, params)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """All parameters."""
        return self._read("parameters")

    @cached_property
    def catalog(self) -> "DataCatalog":
        """The data sets of ``kedro run`` by name, ``clevr.raw``.

        Read without a Kedro session, so that MLflow is neither loaded nor written.
        """
        from kedro.io import DataCatalog

        entries = {
            name: {**entry, "filepath": str(self.root / entry["filepath"])}
            for name, entry in self._read("catalog").items()
        }
        return DataCatalog.from_config(entries)

    def results(self, domain: str) -> "Results":
        """What char and float came to, as the report shows it.

        Raises:
            DatasetError: ``kedro run`` has not made it.
        """
        from igllm_pipelines.domains import ENCODINGS
        from igllm_pipelines.report.reading import readings_of
        from igllm_pipelines.report.results import Results
        from igllm_pipelines.report.revision import dvc_revision, git_revision

        def of_encodings(name: str) -> dict[str, Any]:
            return {e: self.catalog.load(f"{domain}.{e}.{name}") for e in ENCODINGS}

        config, syntax = self.scenes(domain), self.catalog.load(f"{domain}.syntax")
        return Results(
            domain,
            config,
            of_encodings("metrics"),
            of_encodings("history"),
            of_encodings("predictions"),
            readings_of(config, syntax, self.parameters["encodings"]),
            pretrained=self.of_domain("model", domain).get("pretrained"),
            intervals=of_encodings("intervals"),
            comparison=self.catalog.load(f"{domain}.comparison"),
            revision=git_revision(),
            data_revision=dvc_revision(self.raw_folder(domain)),
        )

    def raw_folder(self, domain: str) -> Path:
        """Where the images and labels of a domain lie, as the catalog says."""
        entry = self._read("catalog")["{domain}.raw"]
        return self.root / entry["filepath"].format(domain=domain)

    def scenes(self, domain: str) -> "SceneConfig":
        """What the scenes of a domain come from, checked."""
        from igllm_pipelines.domains.sources import scene_config

        with explained():
            return scene_config(domain, self.of_domain("scenes", domain))

    def rendering(self, domain: str) -> "RenderingConfig":
        """How the scenes of a domain are rendered, checked."""
        from igllm_pipelines.render.config import rendering_config

        with explained():
            return rendering_config(
                self.of_domain("rendering", domain), self.parameters.get("ray")
            )

    def of_domain(self, group: str, domain: str) -> Mapping[str, Any]:
        """The parameters ``<group>.<domain>``; none where there are none."""
        of_all = self.parameters.get(group, {})
        if not isinstance(of_all, Mapping):
            raise ValueError(f"{group}: a mapping is wanted, not {of_all!r}")
        return of_all.get(domain) or {}

    def _read(self, kind: str) -> Mapping[str, Any]:
        from kedro.config import MissingConfigException

        try:
            return self._loader[kind]
        except (MissingConfigException, ValueError) as error:
            raise click.ClickException(f"{self.root / 'conf'}: {error}") from error

    @cached_property
    def _loader(self) -> "OmegaConfigLoader":
        from kedro.config import OmegaConfigLoader

        from igllm_pipelines.settings import CONFIG_LOADER_ARGS

        settings: dict[str, Any] = dict(CONFIG_LOADER_ARGS)
        return OmegaConfigLoader(
            conf_source=str(self.root / "conf"),
            env=self.env,
            runtime_params=_overrides(self.params),
            **settings,
        )


def _overrides(params: tuple[str, ...]) -> dict[str, Any]:
    """Nested parameters of ``a.b=value``; a value is read as YAML."""
    from omegaconf import OmegaConf
    from yaml import YAMLError

    for given in params:
        if "=" not in given[1:]:
            raise click.ClickException(f"--params {given}: it must be NAME=VALUE")
    try:
        nested = OmegaConf.to_container(OmegaConf.from_dotlist([*params]))
    except (YAMLError, ValueError) as error:
        raise click.ClickException(
            f"--params: {' '.join(str(error).split())}"
        ) from error
    return cast("dict[str, Any]", nested)


@contextmanager
def explained() -> Iterator[None]:
    """Turns the ValueError of a configuration into a message without a traceback."""
    try:
        yield
    except ValueError as error:
        raise click.ClickException(str(error)) from error
