import numpy as np
import torch

from igllm_pipelines.scene.scene import Scene, SceneObject
from igllm_pipelines.tokens.encoding import encode_scenes
from igllm_pipelines.tokens.sequences import ProgramTokens
from igllm_pipelines.tokens.tokenizer import train_tokenizer
from igllm_pipelines.train.data import (
    BatchMaker,
    GroupedOrder,
    SampleOrder,
    TrainingSamples,
)
from tests.train import tiny


def test_order_visits_every_row_once_an_epoch():
    order = SampleOrder(7, seed=3)
    epochs = [[order.row(e * 7 + i) for i in range(7)] for e in range(3)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_order_depends_on_place_and_seed_alone():
    whole = [SampleOrder(7, seed=3).row(place) for place in range(20)]
    jumping = SampleOrder(7, seed=3)
    assert [jumping.row(place) for place in reversed(range(20))] == whole[::-1]
    assert [SampleOrder(7, seed=4).row(place) for place in range(20)] != whole


def grouped(lengths, seed=3):
    return GroupedOrder(SampleOrder(len(lengths), seed), lengths, 4, seed, batches=5)


def batches_of(order, count):
    return [[order.row(4 * b + i) for i in range(4)] for b in range(count)]


def test_grouped_batches_hold_programs_of_like_length():
    lengths = np.arange(20)[::-1]
    drawn = batches_of(grouped(lengths), 10)
    spans = [np.ptp(lengths[batch]) for batch in drawn]
    assert spans == [3] * 10
    for epoch in drawn[:5], drawn[5:]:
        assert sorted(sum(epoch, [])) == list(range(20))
        assert [lengths[batch].min() for batch in epoch] != sorted(
            lengths[batch].min() for batch in epoch
        )


def test_grouped_windows_hold_what_the_plain_order_puts_there():
    lengths = np.arange(7) % 3
    plain = SampleOrder(7, 3)
    for window in range(3):
        places = range(20 * window, 20 * window + 20)
        rows = sum(batches_of(grouped(lengths), 15)[5 * window : 5 * window + 5], [])
        assert sorted(rows) == sorted(plain.row(place) for place in places)


def test_grouped_order_depends_on_place_and_seed_alone():
    lengths = np.arange(11) * 7 % 5
    whole = sum(batches_of(grouped(lengths), 12), [])
    jumping = grouped(lengths)
    assert [jumping.row(place) for place in reversed(range(48))] == whole[::-1]
    assert sum(batches_of(grouped(lengths, seed=4), 12), []) != whole


def scene_with(count, name):
    objects = tuple(SceneObject(location=(i / 8, 0.5, 0.0)) for i in range(count))
    return Scene(objects, image_filename=name)


def test_samples_of_like_length_share_a_batch():
    scenes = [scene_with(1 + i % 3, f"{i}.png") for i in range(12)]
    tokenizer = train_tokenizer(tiny.SYNTAX)
    tokens = ProgramTokens(encode_scenes(scenes, tiny.SYNTAX, "char", tokenizer))
    drawn = TrainingSamples(tokens, 40, 12, 3, group_by_length=4)
    for batch in range(3):
        sequences = [drawn[4 * batch + i].sequence for i in range(4)]
        assert len({len(sequence.ids) for sequence in sequences}) == 1
    assert {drawn[place].image for place in range(12)} != {"0.png"}


def samples(seed=3, rows=10, **draw):
    _, _, tokens, _ = tiny.setting()
    return TrainingSamples(tokens, 40, rows, seed, **draw)


def test_samples_depend_on_their_place():
    one, two = samples(), samples()
    for place in (0, 11, 39, 11):
        first, second = one[place], two[place]
        assert first.image == second.image
        assert np.array_equal(first.sequence.ids, second.sequence.ids)


def test_samples_shuffle_attributes_where_asked():
    def programs(**draw):
        drawn = samples(rows=1, **draw)
        return {tuple(drawn[place].sequence.ids) for place in range(40)}

    assert len(programs()) == 2  # x before y, y before x
    assert len(programs(shuffle_attributes=False)) == 1


def test_samples_use_the_first_rows_only():
    drawn = samples(rows=3)
    assert {drawn[place].image for place in range(40)} == {"0.png", "1.png", "2.png"}


def test_batch_has_images_beside_their_programs():
    scenes, _, tokens, _ = tiny.setting()
    vision = tiny.DotImages(scenes)
    drawn = samples()
    batch = BatchMaker(vision, "train", tokens.prefix_ids, tokens.pad_id)(
        [drawn[0], drawn[1]]
    )
    assert batch["images"] == [drawn[0].image, drawn[1].image]
    expected = torch.from_numpy(vision.batch("train", batch["images"]))
    assert torch.equal(batch["vision"], expected)
    assert batch["prefix_ids"].tolist() == tokens.prefix_ids
    assert batch["input_ids"].shape == batch["labels"].shape == batch["numbers"].shape
