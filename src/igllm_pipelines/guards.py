"""Kedro hooks that stop a run before its first node, or guard what it stores."""

from collections.abc import Iterator
from typing import Any

from kedro.framework.hooks import hook_impl

from igllm_pipelines.train import group


class GroupHook:
    r"""Guards a run whose processes a launcher started (``torchrun``, ``deepspeed``).

    All of them train; the first one alone stores and logs. They share one node only:
    everything else would be done by each of them, in the same files. ::

        torchrun --nproc-per-node 2 -m kedro run \
            --pipelines=2d.float --nodes=2d.float.train_model
    """

    @hook_impl(tryfirst=True)  # before an MLflow run is opened
    def before_pipeline_run(self, pipeline: Any, catalog: Any) -> None:
        """Lets training through; on the other processes it stays in memory.

        Raises:
            ValueError: the run holds other nodes.
        """
        if group.size() == 1:
            return
        others = [n.name for n in pipeline.nodes if not n.name.endswith("train_model")]
        if others:
            raise ValueError(
                f"{group.size()} processes were started, and all of them would run "
                f"{others[0]}; run the other nodes first, by one process, and start "
                "several with --nodes=<domain>.<encoding>.train_model alone"
            )
        if group.rank():
            from kedro.io import MemoryDataset

            for name in pipeline.outputs():
                catalog[name] = MemoryDataset()


class NeedsHook:
    """Stops a run before its first node where this machine lacks what it needs.

    Weights, downloads and packages are looked for before anything is rendered; no
    network is asked.
    """

    @hook_impl(tryfirst=True)  # before an MLflow run is opened
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Any, catalog: Any
    ) -> None:
        """Says what is missing and which command gets it.

        Raises:
            ClickException: something is missing. Kedro's command line shows it without
                a traceback.
        """
        found = [need for node in pipeline.nodes for need in _needs(node, catalog)]
        if not found:
            return
        import click

        from igllm_pipelines.apps.plan_text import describe_missing

        env = run_params.get("env")
        raise click.ClickException(
            f"the run has not begun. {describe_missing(found, env)}"
        )


def _needs(node: Any, catalog: Any) -> Iterator[Any]:
    """What this machine lacks for a node."""
    from igllm_pipelines.apps import machine
    from igllm_pipelines.domains.sources import scene_config
    from igllm_pipelines.model.config import ModelConfig, TowerConfig
    from igllm_pipelines.train.config import TrainingConfig

    def parameters(group: str, config: Any) -> Any:
        given = catalog.load(f"params:{group}.{domain}")
        return given if isinstance(given, config) else config(**given)

    task, domain = node.short_name, (node.namespace or "").partition(".")[0]
    if task in ("render", "make_report"):
        scenes = parameters("scenes", dict)
        if scenes.get("source") != "official":
            yield from machine.missing_blender(scene_config(domain, scenes))
        elif task == "render" and scenes.get("root"):
            yield from machine.missing_data(domain, str(scenes["root"]))
    if task in ("make_tower", "train_model"):
        yield from machine.missing_tower(parameters("tower", TowerConfig))
    if task in ("make_tokenizer", "train_model"):
        yield from machine.missing_language_model(parameters("model", ModelConfig))
    if task == "train_model":
        training = parameters("training", TrainingConfig)
        model = parameters("model", ModelConfig)
        yield from machine.missing_packages(model, training)
