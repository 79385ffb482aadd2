import numpy as np
import torch

from igllm_pipelines.train.data import BatchMaker, SampleOrder, TrainingSamples
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
