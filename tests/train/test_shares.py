import pytest
import torch

from igllm_pipelines.train.shares import label_counts, shared_out, total_counts
from tests.model.small import NUM_ID, small_batch, small_model

ROWS = ("vision", "input_ids", "labels", "numbers")


def pieces_of(batch, sizes):
    start = 0
    for size in sizes:
        rows = slice(start, start + size)
        yield {k: v[rows] if k in ROWS else v for k, v in batch.items()}
        start += size


@pytest.mark.parametrize(
    "model",
    [
        {"numeric_head": "tanh_mlp_gelu", "float_weight": 0.3},
        {"numeric_head": "linear", "number_loss": "huber"},
        {"numeric_head": "none", "number_token_weight": 0.5},
        {"numeric_head": "none"},
    ],
)
def test_mean_over_unequal_pieces_is_the_loss_of_the_batch(model):
    digits = tuple(range(4, 14)) if "number_token_weight" in model else ()
    model = small_model(**model, digit_ids=digits).eval()
    batch = small_batch(batch=5)
    whole = model(**batch)
    pieces = list(pieces_of(batch, (1, 3, 1)))
    totals = total_counts(model, pieces)
    shares = [
        shared_out(model(**p), label_counts(model, p["labels"]), totals, len(pieces))
        for p in pieces
    ]
    for name in whole._fields:
        mean = torch.stack([getattr(share, name) for share in shares]).mean()
        torch.testing.assert_close(mean, getattr(whole, name), rtol=1e-5, atol=1e-6)


def test_the_mean_of_means_would_be_another():
    model = small_model(numeric_head="tanh_mlp_gelu").eval()
    batch = small_batch(batch=5)
    means = [model(**p).ce for p in pieces_of(batch, (1, 3, 1))]
    assert abs(torch.stack(means).mean() - model(**batch).ce) > 1e-4


def test_counts_are_tokens_and_numbers():
    labels = torch.tensor([[-100, 5, NUM_ID], [NUM_ID, NUM_ID, -100]])
    model = small_model(numeric_head="linear")
    assert label_counts(model, labels).tolist() == [4, 3]
    assert label_counts(small_model(numeric_head="none"), labels).tolist() == [4, 0]


def test_piece_without_labels_counts_nothing():
    model = small_model(numeric_head="linear")
    empty = torch.full((1, 6), -100)
    totals = label_counts(model, empty)
    output = model(**small_batch())
    assert shared_out(output, totals, totals, 2).loss == 0
