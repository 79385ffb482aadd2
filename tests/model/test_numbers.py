import numpy as np
import pytest
import torch
from scipy import stats

from igllm_pipelines.model.build import build_numeric_head
from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.model.numbers import (
    GaussianMixture,
    NumberTokenLoss,
    Point,
    ValueEmbedding,
    readout,
)

TARGET = torch.tensor([0.0, 0.3, -1.2, 2.5])


def head(**model):
    torch.manual_seed(0)
    return build_numeric_head(ModelConfig(**model), 8)


def test_readouts_by_name():
    assert readout("none", 8) is None
    assert readout("linear", 8)(torch.zeros(2, 8)).shape == (2, 1)
    assert readout("mixture", 8, 4)(torch.zeros(2, 8)).shape == (2, 12)
    with pytest.raises(ValueError, match="cubic"):
        readout("cubic", 8)


def test_readout_of_the_paper_is_tanh_linear_gelu_linear():
    layers = readout("tanh_mlp_gelu", 8)
    x = torch.randn(5, 8)
    (w1, b1), (w2, b2) = ((m.weight, m.bias) for m in (layers[1], layers[3]))
    inner = torch.tanh(x) @ w1.T + b1
    gelu = inner * 0.5 * (1 + torch.erf(inner / 2**0.5))
    torch.testing.assert_close(layers(x), gelu @ w2.T + b2)


def test_huber_is_the_square_near_zero_and_a_line_beyond():
    errors = torch.tensor([0.05, -0.1, 0.4, -3.0])
    expected = [e**2 if abs(e) <= 0.1 else 0.1 * (2 * abs(e) - 0.1) for e in errors]
    loss = Point(0.1).loss((TARGET + errors)[:, None], TARGET)
    torch.testing.assert_close(loss, torch.tensor(expected).mean())
    square = Point().loss((TARGET + errors)[:, None], TARGET)
    torch.testing.assert_close(square, errors.square().mean())


def random_mixture(components=3, numbers=4, smallest_std=0.01):
    outputs = torch.randn(numbers, 3 * components)
    logits, means, widths = (
        outputs.double().numpy().reshape(numbers, 3, -1).swapaxes(0, 1)
    )
    weights = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    stds = np.log1p(np.exp(widths)) + smallest_std
    return GaussianMixture(smallest_std), outputs, weights, means, stds


def test_mixture_loss_is_the_negative_log_likelihood():
    mixture, outputs, weights, means, stds = random_mixture()
    density = (weights * stats.norm.pdf(TARGET.numpy()[:, None], means, stds)).sum(1)
    loss = mixture.loss(outputs, TARGET)
    np.testing.assert_allclose(loss, -np.log(density).mean(), rtol=1e-5)


def test_mixture_estimate_is_mean_and_deviation_of_drawn_numbers():
    mixture, outputs, weights, means, stds = random_mixture()
    value, std = mixture.estimate(outputs)
    rng = np.random.default_rng(0)
    for row in range(len(outputs)):
        which = rng.choice(3, 100_000, p=weights[row])
        drawn = rng.normal(means[row, which], stds[row, which])
        assert float(value[row]) == pytest.approx(drawn.mean(), abs=0.02)
        assert float(std[row]) == pytest.approx(drawn.std(), rel=0.02)


def test_mixture_is_never_surer_than_its_smallest_deviation():
    outputs = torch.tensor([[0.0, 0.7, -1e4]])
    std = GaussianMixture(0.01).estimate(outputs).std
    assert float(std) == pytest.approx(0.01)
    assert torch.isfinite(GaussianMixture().loss(outputs, torch.tensor([0.7])))


def test_components_of_a_mixture_start_apart():
    bias = readout("mixture", 8, 5)[-1].bias[5:10]
    torch.testing.assert_close(bias, torch.linspace(-1, 1, 5))


@pytest.mark.parametrize("kind", ["tanh_mlp_gelu", "mixture"])
def test_head_with_normalised_numbers_names_them_in_their_unit(kind):
    normalised = head(numeric_head=kind, normalise_numbers=True)
    plain = head(numeric_head=kind)
    numbers = torch.tensor([1.0, 2.0, 3.0, 6.0])
    normalised.fit(numbers)
    states = torch.randn(4, 8)
    outputs = normalised(states)
    torch.testing.assert_close(outputs, plain(states))  # same weights
    mean, std = 3.0, np.std([1, 2, 3, 6])
    (value, spread), (unit, unit_spread) = (
        h.estimate(outputs) for h in (normalised, plain)
    )
    torch.testing.assert_close(value, unit * std + mean)
    if kind == "mixture":
        torch.testing.assert_close(spread, unit_spread * std)
    loss = normalised.loss(outputs, numbers)
    torch.testing.assert_close(loss, plain.loss(outputs, (numbers - mean) / std))
    error = normalised.squared_error(outputs, numbers)
    torch.testing.assert_close(error, (value - numbers).square().mean())


def test_mean_and_deviation_are_stored_with_the_weights():
    fitted, fresh = (head(normalise_numbers=True) for _ in range(2))
    fitted.fit(TARGET)
    fresh.load_state_dict(fitted.state_dict())
    torch.testing.assert_close(fresh.mean, TARGET.mean())
    assert not {"mean", "std"} & set(head().state_dict())


@pytest.mark.parametrize("numbers", [[], [2.0], [2.0, 2.0]])
def test_normalising_needs_numbers_that_differ(numbers):
    with pytest.raises(ValueError, match="need training programs with numbers"):
        head(normalise_numbers=True).fit(torch.tensor(numbers))
    head().fit(torch.tensor(numbers))  # the paper's head takes nothing from them


def test_no_number_gives_a_zero_that_is_part_of_the_graph():
    numeric = head()
    loss = numeric.loss(numeric(torch.zeros(0, 8)), torch.zeros(0))
    loss.backward()
    assert loss == 0
    assert all(p.grad is not None for p in numeric.parameters())


def test_head_reads_in_single_precision_under_autocast():
    numeric = head()
    states = torch.randn(5, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.nn.Linear(8, 1)(states).dtype == torch.bfloat16
        outputs = numeric(states)
    torch.testing.assert_close(outputs, numeric(states), rtol=0, atol=0)


def test_value_embedding_starts_at_zero_and_can_tell_values_apart():
    embedding = ValueEmbedding(8)
    values = torch.tensor([[0.0, 0.001], [3.0, -3.0]])
    assert embedding(values).shape == (2, 2, 8)
    assert not embedding(values).any()
    embedding.outer.reset_parameters()
    vectors = embedding(values).reshape(4, 8)
    distances = torch.cdist(vectors, vectors) + torch.eye(4)
    assert distances.min() > 1e-4


def test_value_embedding_is_the_formula():
    embedding = ValueEmbedding(4)
    embedding.outer.reset_parameters()
    periods = 16 / 2.0 ** np.arange(8)
    angles = 2 * np.pi * 0.7 / periods
    features = np.concatenate([[0.7], np.sin(angles), np.cos(angles)])
    (w1, b1), (w2, b2) = (
        (m.weight.detach().numpy(), m.bias.detach().numpy())
        for m in (embedding.inner, embedding.outer)
    )
    inner = torch.from_numpy(w1 @ features + b1)
    expected = w2 @ torch.nn.functional.gelu(inner).numpy() + b2
    found = embedding(torch.tensor(0.7)).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_number_token_loss_is_the_distance_to_the_true_digit():
    ids = list(range(5, 15))
    logits = torch.randn(4, 20)
    labels = torch.tensor([5, 3, 14, 9])  # 0, no digit, 9, 4
    probabilities = logits[:, 5:15].double().softmax(-1).numpy()
    expected = [
        stats.wasserstein_distance(range(10), [digit], probabilities[row])
        for row, digit in ((0, 0), (2, 9), (3, 4))
    ]
    loss = NumberTokenLoss(ids)(logits, labels)
    np.testing.assert_allclose(loss, np.mean(expected), rtol=1e-5)


def test_number_token_loss_of_a_near_digit_is_smaller():
    loss = NumberTokenLoss(list(range(10)))
    said = 50 * torch.eye(10)[[5]]
    assert loss(said, torch.tensor([4])) < loss(said, torch.tensor([9]))
    assert loss(said, torch.tensor([5])) < 1e-6


def test_number_token_loss_without_digits():
    loss = NumberTokenLoss(list(range(10)))
    assert loss(torch.randn(2, 12), torch.tensor([10, 11])) == 0
    with pytest.raises(ValueError, match="ten different digits"):
        NumberTokenLoss([1, 2, 2])
