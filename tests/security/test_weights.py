"""Hostile weights, checkpoints, packages, tokenizers and arrays in every loader."""

import json
import pickle
import shutil
import zipfile
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest
import torch

from igllm_pipelines.apps.models import package_folder
from igllm_pipelines.baselines.ns_vqa.backbones import build_resnet
from igllm_pipelines.baselines.ns_vqa.parser import load_parser
from igllm_pipelines.domains.official import read_official_dots
from igllm_pipelines.infer.package import load_package
from igllm_pipelines.model.clip import ClipSource, TowerWeightsError, load_image_weights
from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.model.language import pretrained_model
from igllm_pipelines.model.lora import LanguageModelError
from igllm_pipelines.model.projector import Projector, ProjectorWeightsError
from igllm_pipelines.model.storage import (
    ModelFolderError,
    load_model,
    load_tower,
    save_model,
)
from igllm_pipelines.shards.features import FeatureCache
from igllm_pipelines.shards.tar import ShardError
from igllm_pipelines.tokens.pretrained import load_base
from igllm_pipelines.tokens.program_tokenizer import ProgramTokenizer, TokenizerError
from igllm_pipelines.tokens.sequences import ProgramTokens
from igllm_pipelines.train import checkpoints, zero
from igllm_pipelines.train.checkpoints import CheckpointError
from igllm_pipelines.train.states import take_steps
from tests.apps.packages import random_package
from tests.model.pretrained import byte_level_tokenizer, write_qwen
from tests.model.small import small_model


def torch_pickle(file, canary):
    torch.save({"weight": canary}, file)


def old_torch_pickle(file, canary):
    torch.save({"weight": canary}, file, _use_new_zipfile_serialization=False)


def bare_pickle(file, canary):
    file.write_bytes(canary.pickled)


PICKLES = [torch_pickle, old_torch_pickle, bare_pickle]


@pytest.fixture(params=PICKLES, ids=lambda write: write.__name__)
def hostile(request, canary):
    """Writes weights that make the canary sing when they are unpickled."""
    return lambda file: request.param(file, canary)


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    return write_qwen(tmp_path_factory.mktemp("weights") / "qwen")


@pytest.fixture(scope="module")
def good_package(tmp_path_factory):
    return random_package(tmp_path_factory.mktemp("weights") / "package", "clevr")


@pytest.fixture
def package(good_package, tmp_path):
    return shutil.copytree(good_package.folder, tmp_path / "package")


def test_projector(tmp_path, hostile):
    file = tmp_path / "mm_projector.bin"
    hostile(file)
    with pytest.raises(ProjectorWeightsError, match="cannot be read"):
        Projector(4, 4, 4).load(file)


@pytest.mark.parametrize("name", ["clip.pt", "clip.bin", "clip.safetensors"])
def test_image_tower(tmp_path, hostile, name):
    file = tmp_path / name
    hostile(file)
    source = ClipSource.parse(f"ViT-B-32-quickgelu/{file}")
    with pytest.raises(TowerWeightsError, match="cannot be read as weights"):
        load_image_weights(torch.nn.Linear(2, 2), file, source)


def test_weights_of_a_tower_that_was_kept(tmp_path, hostile):
    hostile(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelFolderError, match="model.safetensors"):
        load_tower(tmp_path)


def test_model_folder(tmp_path, hostile):
    save_model(small_model(), tmp_path / "model")
    hostile(tmp_path / "model" / "model.safetensors")
    with pytest.raises(ModelFolderError, match="cannot be read"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"model": {"layers": 1e999}}', "[]", "null"]
)
def test_configuration_of_a_model(tmp_path, text):
    save_model(small_model(), tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text(text)
    with pytest.raises(ModelFolderError, match=r"config\.json"):
        load_model(tmp_path / "model")


def test_ns_vqa(tmp_path, hostile):
    hostile(tmp_path / "resnet.pth")
    with pytest.raises(ValueError, match="weights cannot be read"):
        build_resnet("resnet10", str(tmp_path / "resnet.pth"))
    hostile(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"config": {}, "vocabulary": {}}')
    with pytest.raises(ValueError, match="no scene parser"):
        load_parser(tmp_path)


def test_language_model(tmp_path, language_model, hostile):
    folder = shutil.copytree(language_model, tmp_path / "qwen")
    (folder / "model.safetensors").unlink()
    hostile(folder / "pytorch_model.bin")
    with pytest.raises(LanguageModelError, match="no language model can be loaded"):
        pretrained_model(ModelConfig(pretrained=str(folder)))


def test_adapter_beside_a_language_model(tmp_path, language_model, hostile):
    folder = shutil.copytree(language_model, tmp_path / "qwen")
    described = {"peft_type": "LORA", "r": 1, "target_modules": ["q_proj"]}
    described |= {"base_model_name_or_path": str(folder), "task_type": "CAUSAL_LM"}
    (folder / "adapter_config.json").write_text(json.dumps(described))
    hostile(folder / "adapter_model.bin")
    with pytest.raises(LanguageModelError, match="no language model can be loaded"):
        pretrained_model(ModelConfig(pretrained=str(folder)))


def with_code(folder, canary, file, **names):
    """Code beside a model or tokenizer, and a configuration that names it."""
    (folder / "own.py").write_text(f"{canary.code}\nclass Own: pass\n")
    record = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**record, **names}))


def test_code_beside_a_language_model(tmp_path, language_model, canary):
    folder = shutil.copytree(language_model, tmp_path / "qwen")
    classes = {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}
    names = {"auto_map": classes, "model_type": "own", "architectures": ["Own"]}
    with_code(folder, canary, "config.json", **names)
    with pytest.raises(LanguageModelError, match="no language model can be loaded"):
        pretrained_model(ModelConfig(pretrained=str(folder)))


def test_code_beside_a_tokenizer(tmp_path, canary, monkeypatch):
    folder = tmp_path / "tokenizer"
    byte_level_tokenizer().save_pretrained(folder)
    names = {"auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}}
    names["tokenizer_class"] = "Own"
    with_code(folder, canary, "tokenizer_config.json", **names)
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # whoever asks is told yes
    with suppress(TokenizerError):  # transformers may do without the class
        load_base(str(folder))
    assert not canary.folder.exists()


@pytest.mark.parametrize("name", ["tokenizer.json", "program_tokenizer.json"])
@pytest.mark.parametrize("text", ["[" * 100_000, "{}", "null", "{code}"])
def test_tokenizer_folder(package, canary, name, text):
    file = package / "tokenizer" / name
    file.write_text(text.replace("{code}", canary.code))
    with pytest.raises(TokenizerError, match="tokenize again"):
        ProgramTokenizer.load(file.parent)


def test_files_of_a_package_that_no_loader_needs(package, hostile, canary):
    hostile(package / "python_model.pkl")
    hostile(package / "model" / "pytorch_model.bin")
    hostile(package / "model" / "training_args.bin")
    (package / "__init__.py").write_text(canary.code)
    (package / "sitecustomize.py").write_text(canary.code)
    assert load_package(package).predictor()


MODEL = """
flavors:
  python_function:
    loader_module: own
    code: code
    python_model: python_model.pkl
"""


def test_a_model_of_mlflow_is_read_as_a_package(package, tmp_path, canary):
    """`igllm` takes the package out of it; MLflow's own loader would run the rest."""
    model = tmp_path / "model"
    package = shutil.copytree(package, model / "data" / "package")
    (model / "code").mkdir()
    (model / "code" / "own.py").write_text(canary.code)
    (model / "python_model.pkl").write_bytes(canary.pickled)
    (model / "MLmodel").write_text(MODEL)
    assert package_folder(str(model)) == package


PATHS = {
    "model_elsewhere": ("model/config.json", '{"model": {"pretrained": "{place}"}}'),
    "tower_elsewhere": ("model/config.json", '{"tower": {"pretrained": "{place}"}}'),
    "domain_elsewhere": ("package.json", '{"format": 1, "domain": "{place}"}'),
}


@pytest.mark.parametrize("name", PATHS)
def test_package_that_names_other_places(package, hostile, tmp_path, name):
    file, text = PATHS[name]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    hostile(elsewhere / "pytorch_model.bin")
    (elsewhere / "config.json").write_text("{}")
    (package / file).write_text(text.replace("{place}", str(elsewhere)))
    with pytest.raises(ModelFolderError):
        load_package(package).predictor()


def checkpoint_of(folder, name, hostile):
    """A whole checkpoint whose file of this name is hostile."""
    partial = folder / checkpoints.PARTIAL
    partial.mkdir(parents=True)
    hostile(partial / name)
    checkpoints.seal(partial, folder / "checkpoint-3")
    return folder / "checkpoint-3"


def test_checkpoint_of_a_small_loop(tmp_path, hostile):
    checkpoint_of(tmp_path, "state.pt", hostile)
    with pytest.raises(CheckpointError, match="checkpoint-3 cannot be loaded"):
        take_steps({}, float, 1, tmp_path, title="small")


@pytest.mark.parametrize("name", ["optimizer.pt", "rng_state.pth"])
def test_checkpoint_of_the_trainer(tmp_path, hostile, name):
    from igllm_pipelines.train.trainer import ModelTrainer

    found = checkpoint_of(tmp_path, name, hostile)
    (found / "scheduler.pt").write_bytes((found / name).read_bytes())
    trainer = resting_trainer(ModelTrainer, tmp_path)
    load = {
        "optimizer.pt": trainer._load_optimizer_and_scheduler,
        "rng_state.pth": trainer._load_rng_state,
    }[name]
    with pytest.raises(CheckpointError, match="checkpoint-3 cannot be loaded"):
        load(str(found))


def resting_trainer(kind, folder):
    """A trainer of one weight that has not begun."""
    from transformers import TrainingArguments

    trainer = kind.__new__(kind)
    weight = torch.nn.Linear(1, 1)
    super(kind, trainer).__init__(
        weight,
        TrainingArguments(output_dir=str(folder), report_to="none", use_cpu=True),
    )
    trainer._folder = folder
    trainer.optimizer = torch.optim.SGD(weight.parameters(), lr=0.1)
    trainer.lr_scheduler = torch.optim.lr_scheduler.ConstantLR(trainer.optimizer)
    return trainer


def test_checkpoint_of_deepspeed(tmp_path, hostile):
    from deepspeed.runtime.checkpoint_engine.torch_checkpoint_engine import (
        TorchCheckpointEngine,
    )

    file = tmp_path / "mp_rank_00_model_states.pt"
    hostile(file)
    engine = TorchCheckpointEngine()
    with (
        pytest.raises(CheckpointError, match="cannot be loaded"),
        checkpoints.reading(tmp_path),
        zero.read_as_data(),
    ):
        engine.load(str(file), map_location="cpu")


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", '{"a": {}}', '{"../x": 1}'])
def test_manifest_of_a_checkpoint(tmp_path, text):
    folder = tmp_path / "checkpoint-1"
    folder.mkdir()
    (folder / checkpoints.MANIFEST).write_text(text)
    assert checkpoints.last_whole(tmp_path) is None


def dots_file(folder, **arrays):
    (folder / "2D").mkdir()
    np.savez(folder / "2D" / "2d.npz", **arrays)
    return folder / "2D" / "2d.npz"


def test_arrays_of_objects(tmp_path, canary):
    dots_file(tmp_path, random=np.array([canary], dtype=object))
    with pytest.raises(ValueError, match=r"2d\.npz cannot be read"):
        read_official_dots(str(tmp_path))


def test_arrays_that_unpack_to_more_than_they_may(tmp_path, monkeypatch):
    monkeypatch.setattr("igllm_pipelines.domains.official.MAX_BYTES", 2**22)
    file = dots_file(tmp_path, random=np.zeros((1, 2)))
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("random.npy", "w", force_zip64=True) as stream,
    ):
        for _ in range(5):
            stream.write(b"\0" * 2**20)
    assert file.stat().st_size < 2**16
    with pytest.raises(ValueError, match=r"2d\.npz cannot be read \(it unpacks to"):
        read_official_dots(str(tmp_path))


def test_features_of_objects(tmp_path, canary):
    np.save(tmp_path / "train.npy", np.array([canary], dtype=object))
    (tmp_path / "train.json").write_text('["a.png"]')
    with pytest.raises(ShardError, match="no usable features"):
        FeatureCache(tmp_path).batch("train", ["a.png"])


def test_table_of_tokens_with_a_pickled_type(tmp_path, canary):
    metadata = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": pickle.dumps(canary),
    }
    schema = pa.schema([pa.field("image", pa.string(), metadata=metadata)])
    file = tmp_path / "tokens.arrow"
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(pa.table({"image": ["a.png"]}, schema=schema))
    with pytest.raises((KeyError, TypeError)):  # it has no header of ours
        ProgramTokens.open(file)
