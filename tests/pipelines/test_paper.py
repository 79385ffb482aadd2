"""The wiring of conf/paper and conf/small, with small stand-ins for what they need."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import click
import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from open_clip.transformer import VisionTransformer
from safetensors import safe_open
from safetensors.torch import save_file

from igllm_pipelines.guards import NeedsHook
from igllm_pipelines.model.config import ModelConfig, TowerConfig
from igllm_pipelines.pipeline_registry import register_pipelines
from igllm_pipelines.shards.features import FeatureCache
from igllm_pipelines.tokens.program_tokenizer import ProgramTokenizer
from igllm_pipelines.train.config import TrainingConfig
from tests.model.pretrained import WRITERS
from tests.shards.official_trees import write_download

ROOT = Path(__file__).parents[2]
HIDDEN = 32  # of the small Llama
TOWER, WIDTH, PATCHES = "ViT-S-32", 384, 49


def start(folder, env, *arguments):
    """``kedro run`` on a copy of the configuration, whose data lie in `folder`."""
    conf = folder / "conf"
    shutil.copytree(ROOT / "conf", conf)
    text = f"data: {(folder / 'data').as_posix()}\nexperiment: test\n"
    (conf / env / "globals.yml").write_text(text)
    return subprocess.run(
        [
            *(sys.executable, "-m", "kedro", "run", f"--env={env}"),
            f"--conf-source={conf}",
            *arguments,
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "IGLLM_MLFLOW_URI": f"sqlite:///{folder / 'mlflow.db'}",
            "KEDRO_LOGGING_CONFIG": str(conf / "logging.yml"),
            "HF_HUB_CACHE": str(folder / "hub"),  # an empty one
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def write_stand_ins(folder, writer):
    """A language model, a tower's weights, a projector, a download: all small."""
    WRITERS[writer](folder / writer)
    write_download(folder / "official")
    torch.manual_seed(1)
    tower = VisionTransformer(224, 32, WIDTH, 12, 6, 4.0, output_dim=384)
    save_file(tower.state_dict(), folder / "clip.safetensors")
    projector = {"weight": torch.randn(HIDDEN, WIDTH) * 0.05, "bias": torch.ones(32)}
    named = {f"model.mm_projector.{name}": weight for name, weight in projector.items()}
    torch.save(named, folder / "mm_projector.bin")


def stand_in_parameters(folder, writer, domain, more):
    """Overrides of an environment; all that is not here stays as it is there."""
    training = {
        "steps": 4,
        "warm_up_steps": 1,
        "batch_size": 2,
        "num_workers": 0,
        "log_every": 1,
        "save_every": 2,
        "validate_every": 4,
        "validation_samples": 1,
        "num_threads": 1,
    }
    given = {
        f"tower.{domain}.pretrained": f"{TOWER}/{folder / 'clip.safetensors'}",
        f"tower.{domain}.image_px": 224,
        f"model.{domain}.pretrained": folder / writer,
        f"model.{domain}.lora_r": 4,
        **{f"training.{domain}.{name}": value for name, value in training.items()},
        "inference.num_threads": 1,
        "inference.max_objects": 1,
        "inference.max_tokens": 120,
        "features.num_threads": 1,
        **more,
    }
    return "--params=" + ",".join(f"{name}={value}" for name, value in given.items())


@pytest.mark.slow
def test_the_small_environment_runs_on_stand_ins(tmp_path):
    write_stand_ins(tmp_path, "qwen")
    numbers = {"train": 6, "val_ID": 2, "random": 2}
    drawn = {f"scenes.2d.num_scenes.{split}": n for split, n in numbers.items()}
    parameters = stand_in_parameters(tmp_path, "qwen", "2d", drawn)
    run = start(tmp_path, "small", "--pipelines=2d.data,2d.float", parameters)
    assert run.returncode == 0, run.stderr[-5000:]
    data = tmp_path / "data"
    tokenizer = ProgramTokenizer.load(data / "05_model_input/2d/tokenizer")
    assert tokenizer.conversation.before.startswith("<|im_start|>")
    with safe_open(data / "06_models/2d/float/model/model.safetensors", "pt") as file:
        stored = list(file.keys())
    parts = {name.partition(".")[0] for name in stored if "lora_" not in name}
    assert parts == {"projector", "numeric_head"}
    names = [name for name in stored if name.startswith("projector")]
    assert len(names) == 4  # weights and biases of mlp2x_gelu
    metrics = json.loads((data / "08_reporting/2d/float/metrics.json").read_text())
    assert {m["parse_rate"] for m in metrics.values()} == {100}


@pytest.mark.slow
def test_the_papers_line_runs_on_stand_ins(tmp_path):
    write_stand_ins(tmp_path, "llama")
    more = {
        "scenes.clevr.root": tmp_path / "official",
        "model.clevr.projector_weights": tmp_path / "mm_projector.bin",
    }
    parameters = stand_in_parameters(tmp_path, "llama", "clevr", more)
    run = start(tmp_path, "paper", "--pipelines=clevr", parameters)
    assert run.returncode == 0, run.stderr[-5000:]
    data = tmp_path / "data"

    tokenizer = ProgramTokenizer.load(data / "05_model_input/clevr/tokenizer")
    own = json.loads((tmp_path / "llama" / "tokenizer.json").read_text())
    assert len(tokenizer) == len(own["model"]["vocab"])
    assert tokenizer.conversation.before.startswith("A chat between")

    features = FeatureCache(data / "05_model_input/clevr/features")
    assert features.shape("train") == (3, PATCHES, WIDTH)

    folder = data / "06_models/clevr/float/model"
    settings = json.loads((folder / "config.json").read_text())
    assert set(settings["external"]) == {"language_model", "tower"}
    assert settings["num_id"] == tokenizer.num_id < len(tokenizer)
    with safe_open(folder / "model.safetensors", "pt") as weights:
        names = list(weights.keys())
        projector = weights.get_tensor("projector.linear.bias")
    lora = [name for name in names if "lora_" in name]
    assert len(lora) == 2 * 2 * 7  # A and B of each linear layer of both blocks
    parts = {name.partition(".")[0] for name in set(names) - set(lora)}
    assert parts == {"projector", "numeric_head"}
    assert torch.allclose(projector, torch.ones(HIDDEN), atol=1e-3)  # LLaVA's, trained

    metrics = json.loads((data / "08_reporting/clevr/float/metrics.json").read_text())
    assert set(metrics) == {"val_ID", "val_OOD"}
    for split in metrics.values():
        assert (split["parse_rate"], split["images"]) == (100, 3)
    assert "llama, tuned on" in " ".join(run.stdout.split())
    page = data / "08_reporting/clevr/report/index.html"
    assert "not drawn again" in page.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "lacks"),
    [
        (
            "paper",
            [
                "into data_official/ShapeNet",
                "hf download lmsys/vicuna-7b-v1.3",
                "hf download liuhaotian/llava-336px-pretrain-vicuna-7b-v1.3",
                "hf download timm/vit_large_patch14_clip_336.openai",
            ],
        ),
        (
            "small",
            [
                "hf download Qwen/Qwen2.5-0.5B-Instruct",
                "hf download timm/vit_base_patch16_clip_224.openai",
            ],
        ),
    ],
)
def test_a_run_without_weights_says_how_to_get_them(tmp_path, env, lacks):
    run = start(tmp_path, env, "--pipelines=shapenet")
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert [command for command in lacks if command not in run.stderr] == []
    assert len(run.stderr.splitlines()) < 15
    assert not (tmp_path / "data").exists()
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("select count(*) from runs").fetchone() == (0,)


def check(name, **changed):
    """`NeedsHook` before a pipeline of the domain 2d."""
    given = {
        "scenes": {},
        "tower": TowerConfig(),
        "model": ModelConfig(),
        "training": TrainingConfig(),
        **changed,
    }
    catalog = DataCatalog(
        {f"params:{part}.2d": MemoryDataset(value) for part, value in given.items()}
    )
    pipeline = register_pipelines()[name]
    NeedsHook().before_pipeline_run({"env": "paper"}, pipeline, catalog)


def test_nothing_is_missing_for_a_model_from_scratch():
    check("2d")


def test_only_what_the_run_needs_is_looked_for(tmp_path):
    absent = ModelConfig(pretrained=str(tmp_path / "llama"))
    check("2d.report", model=absent)
    with pytest.raises(click.ClickException, match="llama"):
        check("2d.data", model=absent)


@pytest.mark.parametrize(
    ("pretrained", "what"),
    [
        ("ViT-S-32/random", None),
        ("ViT-S-32/clip.pt", "no such file"),
        ("ViT-B-16-quickgelu/openai", "hf download timm/vit_base"),
        ("hf-hub:nobody/clip", "hf download nobody/clip"),
    ],
)
def test_towers_by_what_they_are_named(pretrained, what, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    tower = TowerConfig(pretrained=pretrained, image_px=224, pixels="clip")
    if what is None:
        check("2d.data", tower=tower)
        return
    with pytest.raises(click.ClickException, match=what):
        check("2d.data", tower=tower)
