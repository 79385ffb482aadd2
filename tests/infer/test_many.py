"""Many images: chunks on disk, going on after a kill, Ray actors."""

import json
from dataclasses import replace

import pytest
import torch

from igllm_pipelines.actors import ActorPool, PoolConfig
from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.infer.chunks import (
    Chunk,
    ChunkStore,
    chunks_of,
    image_samples,
    prediction_digest,
)
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.infer.many import Asking, predict_splits
from igllm_pipelines.infer.predict import Predictor
from igllm_pipelines.tokens.tokenizer import train_tokenizer
from tests.infer.noise import Noise, looked_at
from tests.model.small import small_model

SYNTAX = DOMAINS["2d"].syntax
TOKENIZER = train_tokenizer(SYNTAX)
CONFIG = InferenceConfig(
    batch_size=3, max_tokens=60, max_objects=2, chunk_size=4, num_threads=1
)
SPLITS = {
    "val_ID": [str(i) for i in range(10)],
    "random": [str(i) for i in range(20, 27)],
}
NAMES = [name for names in SPLITS.values() for name in names]


def model_of(seed=0):
    model = small_model(
        vocab_size=len(TOKENIZER),
        num_id=TOKENIZER.num_id,
        numeric_head="linear",
        seed=seed,
    )
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3 if weight.ndim > 1 else 1)
    return model


def asking_of(vision=None, seed=0, **config):
    config = replace(CONFIG, **config)
    return Asking(model_of(seed), TOKENIZER, SYNTAX, vision or Noise(), config)


def timeless(predictions):
    return {
        split: [{k: v for k, v in record.items() if k != "seconds"} for record in rows]
        for split, rows in predictions.items()
    }


@pytest.fixture(scope="module")
def expected():
    """What one call of a `Predictor` says about each split."""
    predictor = Predictor(model_of(), TOKENIZER, SYNTAX, CONFIG)
    return timeless(
        {
            split: predictor.predict(Noise(), split, names, show_progress=False)
            for split, names in SPLITS.items()
        }
    )


def check(found, expected):
    for split, records in expected.items():
        for one, other in zip(timeless(found)[split], records, strict=True):
            assert (one["image"], one["text"]) == (other["image"], other["text"])
            assert one["numbers"] == pytest.approx(other["numbers"], abs=1e-4)
            assert one["log_probability"] == pytest.approx(
                other["log_probability"], abs=1e-3
            )


class Stop(Exception):
    pass


class Stopping(Noise):
    """Gives up at the second look at a picture of split ``random``."""

    looks = 0

    def batch(self, split, filenames):
        self.looks += split == "random"
        if self.looks > 2:  # the first is for the fingerprint
            raise Stop
        return super().batch(split, filenames)


def stopped_run(folder):
    """A run of which three chunks of ``val_ID`` are finished."""
    with pytest.raises(Stop):
        predict_splits(asking_of(Stopping()), SPLITS, folder)


def test_records_are_those_of_one_call_in_input_order(tmp_path, expected):
    check(predict_splits(asking_of(), SPLITS, tmp_path / "chunks"), expected)
    assert not list((tmp_path / "chunks").iterdir())


def test_a_stopped_run_goes_on(tmp_path, expected):
    stopped_run(tmp_path)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == [f"val_ID-000000{start}.json" for start in (0, 4, 8)]
    (tmp_path / files[1]).write_text('{"digest": "half a f')
    seen = tmp_path / "seen.txt"
    check(predict_splits(asking_of(Noise(seen)), SPLITS, tmp_path), expected)
    samples = [name for names in SPLITS.values() for name in names[:4]]
    made = looked_at(seen)[len(samples) :]
    assert made == [*SPLITS["val_ID"][4:8], *SPLITS["random"]]
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize("change", [{"seed": 1}, {"temperature": 1.0}])
def test_chunks_of_another_model_or_decoding_do_not_count(tmp_path, change):
    stopped_run(tmp_path)
    seen = tmp_path / "seen.txt"
    config = {k: v for k, v in change.items() if k != "seed"}
    asking = asking_of(Noise(seen), change.get("seed", 0), **config)
    predict_splits(asking, SPLITS, tmp_path)
    assert looked_at(seen)[8:] == NAMES


def test_digest_depends_on_all_but_speed():
    def digest(asking, vision=None):
        samples = image_samples(vision or asking.vision, SPLITS)
        return prediction_digest(
            asking.model, asking.tokenizer, asking.syntax, asking.config, samples
        )

    class Others(Noise):
        def batch(self, split, filenames):
            return 255 - super().batch(split, filenames)

    first = digest(asking_of())
    assert digest(asking_of(batch_size=7, workers=2, chunk_size=9)) == first
    assert digest(asking_of(max_objects=3)) != first
    assert digest(asking_of(), Others()) != first
    assert digest(replace(asking_of(), syntax=DOMAINS["so3"].syntax)) != first


def test_chunk_of_other_images_does_not_count(tmp_path):
    store, chunk = ChunkStore(tmp_path, "digest"), Chunk("val_ID", 0, ("a", "b"))
    store.save(chunk, [{"image": "a"}, {"image": "b"}])
    assert store.load(chunk) == [{"image": "a"}, {"image": "b"}]
    assert store.load(chunk._replace(names=("a",))) is None
    assert ChunkStore(tmp_path, "other").load(chunk) is None
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text())["digest"] == "digest"


def test_every_image_is_in_one_chunk():
    chunks = chunks_of(SPLITS, 4)
    assert [name for chunk in chunks for name in chunk.names] == NAMES
    assert [len(chunk.names) for chunk in chunks] == [4, 4, 2, 4, 3]


@pytest.mark.parametrize("wrong", [{"workers": -1}, {"chunk_size": 0}])
def test_configuration_is_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        InferenceConfig(**wrong)


class Idle:
    pass


@pytest.fixture(scope="module")
def ray_session():
    with ActorPool(PoolConfig(workers=2), Idle, ()):
        yield


@pytest.mark.slow  # each actor loads torch and the model
@pytest.mark.usefixtures("ray_session")
def test_actors_say_the_same_and_a_crashed_one_is_replaced(
    tmp_path, expected, caplog, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    stopped_run(tmp_path / "chunks")
    seen = tmp_path / "seen.txt"
    asking = asking_of(Noise(seen, deadly="25"), workers=2)
    check(predict_splits(asking, SPLITS, tmp_path / "chunks"), expected)
    assert "images 4 to 6 of random: its process died" in caplog.text
    made = looked_at(seen)[8:]
    assert sorted(set(made)) == SPLITS["random"]
    assert not list((tmp_path / "chunks").iterdir())
