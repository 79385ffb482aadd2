"""``igllm plan`` on the shipped configurations, offline."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from igllm_pipelines.apps.main import main
from igllm_pipelines.apps.project import Project
from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.model.config import ModelConfig, TowerConfig
from igllm_pipelines.train.config import TrainingConfig

ROOT = Path(__file__).parents[2]
STEPS = {"2d": 40_000, "clevr": 40_000, "so3": 40_000, "6dof": 200_000}


@pytest.mark.parametrize("env", ["small", "paper"])
@pytest.mark.parametrize("domain", DOMAINS)
def test_configurations_are_whole(env, domain):
    project = Project(ROOT, env, ())
    tower = TowerConfig(**project.of_domain("tower", domain))
    model = ModelConfig(**project.of_domain("model", domain))
    TrainingConfig(**project.of_domain("training", domain))
    assert (tower.pixels, tower.frozen, tower.layer) == ("clip", True, -2)
    assert (model.projector_norm, model.projector_positions) == (False, False)


@pytest.mark.parametrize("domain", DOMAINS)
def test_paper_is_the_paper(domain):
    given = Project(ROOT, "paper", ()).of_domain("training", domain)
    training = TrainingConfig(**given)
    assert training.steps == STEPS.get(domain, 500_000)
    assert training.warm_up_steps == 0.03 * training.steps
    assert (training.learning_rate, training.head_lr) == (2e-5, 2e-4)
    assert training.weight_decay == 0


def test_plan_says_what_is_missing(monkeypatch):
    monkeypatch.chdir(ROOT)
    run = CliRunner().invoke(main, ["plan", "--env=paper", "--pipeline=shapenet"])
    assert run.exit_code == 0, run.output
    assert "319,815,680" in run.output
    assert "16,000,000 samples" in run.output


def test_pipeline_that_trains_nothing(monkeypatch):
    monkeypatch.chdir(ROOT)
    run = CliRunner().invoke(main, ["plan", "--pipeline=2d.data"])
    assert run.exit_code == 1
    assert "trains no model" in run.output


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ((), "3.19 GB: cached"),
        (("--params=features.budget_gb=1",), "3.19 GB: not cached"),
        (("--params=tower.clevr.frozen=false",), "no features are cached"),
        (("--params=scenes.clevr.source=official",), "known once the data are here"),
    ],
)
def test_plan_says_whether_features_fit_the_budget(params, said, monkeypatch):
    monkeypatch.chdir(ROOT)
    given = ["plan", "--env=small", "--pipeline=clevr.float", *params]
    run = CliRunner().invoke(main, given)
    assert run.exit_code == 0, run.output
    assert said in run.output
