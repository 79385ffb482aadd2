"""Studies as Kedro runs them, on a folder of dots and with a tiny model."""

from dataclasses import asdict, replace

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset
from kedro_datasets.text import TextDataset

from igllm_pipelines.datasets.files import FilesDataset
from igllm_pipelines.datasets.folder import FolderDataset
from igllm_pipelines.datasets.raw import RawDataset
from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.model.build import build_tower
from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.pipelines import study as studies
from igllm_pipelines.pipelines.rendering.nodes import plan_rendering
from igllm_pipelines.pipelines.training.nodes import varied_tower
from igllm_pipelines.shards.features import FeatureCache
from igllm_pipelines.study import runs as study
from igllm_pipelines.study.config import StudyConfig
from igllm_pipelines.tokens.tokenizer import train_tokenizer
from igllm_pipelines.train.config import TrainingConfig, WarmUpConfig
from igllm_pipelines.train.data import TrainingSamples
from tests.model.small import TOWER

SCENES = {"num_scenes": {"train": 8, "val_ID": 3, "random": 5}, "width_px": 28}
SYNTAX = DOMAINS["2d"].syntax
PNG = b"\x89PNG"
ABLATION = StudyConfig(
    encodings=(
        *("float", "float_mixture", "float_normalised", "float_frozen"),
        *("char", "char_hot", "char_number_token"),
    ),
    seeds=(1, 2),
    training={"steps": 2, "warm_up_steps": 1, "save_every": 0, "validate_every": 0},
    test_images=4,
)
VARIANTS = {
    "mixture": {"model": {"numeric_head": "mixture"}},
    "normalised": {"model": {"normalise_numbers": True}},
    "number_token": {"model": {"number_token_weight": 0.3}},
    "frozen": {"tower": {"frozen": True}},
    "hot": {"inference": {"temperature": 1.0}},
}


@pytest.fixture
def inputs(tmp_path):
    raw = RawDataset(filepath=str(tmp_path / "raw"))
    raw.save(plan_rendering("2d", SCENES, {}, {}, 7))
    images = raw.load()
    return {
        "raw": images,
        "features": FeatureCache(tmp_path / "none"),
        "tower": build_tower(TOWER, 7),
        "tokenizer": train_tokenizer(SYNTAX),
        "syntax": SYNTAX,
        "params:domain": "2d",
        "params:ablation": ABLATION,
        "params:model": ModelConfig(hidden_dim=16, layers=1, heads=2, mlp_dim=16),
        "params:training": TrainingConfig(batch_size=4, num_threads=1),
        "params:inference": InferenceConfig(max_objects=1, max_tokens=60),
        "params:variants": VARIANTS,
        "params:scenes": SCENES,
        "params:warm_up": WarmUpConfig(steps=0),
    }


def run(inputs, folder, name="ablation"):
    memory = {k: MemoryDataset(v, copy_mode="assign") for k, v in inputs.items()}
    catalog = DataCatalog(
        {
            **memory,
            f"{name}_folder": FolderDataset(filepath=str(folder)),
            f"{name}_runs": JSONDataset(filepath=f"{folder}_runs.json"),
            name: JSONDataset(filepath=f"{folder}_table.json"),
            f"{name}_files": FilesDataset(filepath=f"{folder}_files"),
            f"{name}_summary": TextDataset(filepath=f"{folder}_summary.txt"),
        }
    )
    SequentialRunner().run(studies.create_pipeline(name), catalog)
    names = (f"{name}_runs", name, f"{name}_summary", f"{name}_files")
    return tuple(catalog.load(name) for name in names)


def test_every_encoding_from_every_seed_in_one_table(inputs, tmp_path):
    runs, rows, summary, files = run(inputs, tmp_path / "runs")
    assert {f.name for f in files.iterdir()} == {"table.csv", "table.md"}
    assert [(r["encoding"], r["seed"]) for r in runs] == [
        (encoding, seed) for encoding in ABLATION.encodings for seed in (1, 2)
    ]
    assert len(rows) == 2 * len(ABLATION.encodings)
    assert {row["images"] for row in rows} == {3, 4}  # the first 4 of 5
    assert all(name in summary for name in ABLATION.encodings)
    stated = [r["metrics"]["random"].get("number_std") for r in runs]
    assert [s is not None for s in stated] == [
        r["encoding"] == "float_mixture" for r in runs
    ]
    # a seed is a model of its own, the same one for every decoding of it
    seeds = [r["seconds"]["train"] for r in runs if r["encoding"].startswith("char")]
    assert seeds[0] == seeds[2] != seeds[1] == seeds[3]


EFFICIENCY = replace(
    ABLATION, encodings=("char", "float"), base="char", train_images=(2, 8)
)


def test_encodings_are_trained_on_the_first_so_many_images(
    inputs, tmp_path, monkeypatch
):
    seen = {}
    make = TrainingSamples.__init__

    def recorded(self, *args, num_rows, **others):
        seen[num_rows] = seen.get(num_rows, 0) + 1
        make(self, *args, num_rows=num_rows, **others)

    monkeypatch.setattr(TrainingSamples, "__init__", recorded)
    _, rows, summary, files = run(
        {**inputs, "params:efficiency": EFFICIENCY}, tmp_path / "runs", "efficiency"
    )
    assert seen == {2: 4, 8: 4}  # two encodings from two seeds each
    first = [row for row in rows if row["split"] == "val_ID"]
    assert [(r["series"], r["train_images"], r["base"]) for r in first] == [
        (series, images, f"char_n{images}")
        for images in (2, 8)
        for series in ("char", "float")
    ]
    assert all((r["ratio"] is None) == (r["series"] == "char") for r in rows)
    assert "float_n8" in summary
    assert (files / "plot.png").read_bytes().startswith(PNG)
    assert (files / "table.csv").read_text().count("\n") == 1 + len(rows)


def test_finished_runs_are_not_made_again(inputs, tmp_path, monkeypatch):
    few = replace(ABLATION, encodings=("float", "char", "char_hot"))
    first, *_ = run({**inputs, "params:ablation": few}, tmp_path / "runs")
    (tmp_path / "runs" / "char_hot_seed2.json").write_text('{"digest": ')
    trained = []
    train = study.Setting.train

    def counted(self, encoding, seed):
        trained.append((encoding, seed))
        return train(self, encoding, seed)

    monkeypatch.setattr(study.Setting, "train", counted)
    second, *_ = run({**inputs, "params:ablation": few}, tmp_path / "runs")
    assert trained == [("char", 2)]
    assert [r["errors"] for r in second] == [r["errors"] for r in first]
    longer = replace(few, training={**few.training, "steps": 3})
    run({**inputs, "params:ablation": longer}, tmp_path / "runs")
    assert len(trained) == 1 + 4  # another training: nothing can be kept


def test_options_of_decoding_that_came_later_leave_stored_runs_valid():
    defaults = asdict(InferenceConfig())
    assert all(defaults[name] == value for name, value in study._NEUTRAL.items())
    drawn = study._of_result({**defaults, "top_k": 3})
    assert drawn == {**study._of_result(defaults), "top_k": 3}
    assert study._NEUTRAL.keys().isdisjoint(study._of_result(defaults))


def test_first_weights_of_a_tower_from_scratch_come_from_the_seed(inputs):
    def weight(tower):
        return tower.state_dict()["transformer.conv1.weight"]

    tower, warm = inputs["tower"], WarmUpConfig()
    towers = [study.own_tower(tower, WarmUpConfig(steps=0), seed) for seed in (7, 8)]
    assert weight(towers[0]).equal(weight(tower))
    assert not weight(towers[1]).equal(weight(tower))
    kept = study.own_tower(tower, warm, 8)  # it has learned something
    assert weight(kept).equal(weight(tower))
    assert kept is not tower


def test_a_variant_freezes_a_copy_of_the_tower(inputs):
    frozen = varied_tower(inputs["tower"], {"frozen": True})
    assert frozen.settings["frozen"]
    assert not inputs["tower"].settings["frozen"]
    assert varied_tower(inputs["tower"], {}) is inputs["tower"]
    with pytest.raises(ValueError, match="cannot change 'width' of a tower"):
        varied_tower(inputs["tower"], {"width": 8})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seeds": (1, 1)}, "seeds must be there, each once"),
        ({"encodings": ()}, "encodings must be there"),
        ({"encodings": ("float", "char_hot")}, "is compared with 'char': name it too"),
        ({"test_images": 0}, "test_images must be positive"),
        ({"base": "float_quat"}, "is compared with 'float_quat': name it too"),
        ({"train_images": (2,)}, "'float_mixture': with train_images .* no variant"),
        ({"encodings": ("char",), "train_images": (2, 2)}, "train_images must be"),
        (
            {"encodings": ("char",), "train_images": (0,)},
            "train_images must be positive",
        ),
    ],
)
def test_configuration_is_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(ABLATION, **wrong)
