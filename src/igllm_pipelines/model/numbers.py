"""Numbers of a language model: how they are read, learned and fed back.

A numeric head reads the value of a ``[NUM]`` from the hidden state that predicts it.
Where numbers are text, the number-token loss says how far a wrong digit is off.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

# programs state 3 decimals: a mixture that were surer than half of the last one would
# raise its likelihood without being any better
SMALLEST_STD = 5e-4
_LONGEST_PERIOD, _NUM_PERIODS = 16.0, 8


class NumberEstimate(NamedTuple):
    """Values ``(...)`` and how unsure they are, None where a head does not say."""

    value: Tensor
    std: Tensor | None


@runtime_checkable
class NumberModel(Protocol):
    """What a readout's outputs mean and how they are learned."""

    def loss(
        self,
        outputs: Float[Tensor, "numbers outputs"],
        target: Float[Tensor, " numbers"],
    ) -> Float[Tensor, ""]:
        """Mean loss over at least one number."""
        ...

    def estimate(self, outputs: Float[Tensor, "... outputs"]) -> NumberEstimate:
        """The numbers that the outputs name."""
        ...


class Point:
    """One output, the value; mean squared error, or Huber's.

    Args:
        huber_delta: None for the squared error ``e^2``, the paper's; else the error
            from which Huber's grows linearly: ``e^2`` up to delta, ``delta (2 |e| -
            delta)`` beyond.
    """

    def __init__(self, huber_delta: float | None = None) -> None:
        self._delta = huber_delta

    def loss(
        self,
        outputs: Float[Tensor, "numbers 1"],
        target: Float[Tensor, " numbers"],
    ) -> Float[Tensor, ""]:
        """Mean loss over the numbers."""
        values = outputs.squeeze(-1)
        if self._delta is None:
            return functional.mse_loss(values, target)
        return 2 * functional.huber_loss(values, target, delta=self._delta)

    def estimate(self, outputs: Float[Tensor, "... 1"]) -> NumberEstimate:
        """The output itself; a point is not unsure."""
        return NumberEstimate(outputs.squeeze(-1), None)


class GaussianMixture:
    """Weights, means and widths of Gaussians; the negative log-likelihood.

    Outputs are the weights' logits, then the means, then what softplus turns into
    standard deviations. The value is the mean of the mixture: its modes would be the
    numbers of the training set again.

    Args:
        smallest_std: in the unit of the outputs; keeps the likelihood finite.
    """

    def __init__(self, smallest_std: float = SMALLEST_STD) -> None:
        self.smallest_std = smallest_std

    def _parts(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, means, widths = outputs.chunk(3, dim=-1)
        return logits, means, functional.softplus(widths) + self.smallest_std

    def loss(
        self,
        outputs: Float[Tensor, "numbers outputs"],
        target: Float[Tensor, " numbers"],
    ) -> Float[Tensor, ""]:
        """``-log sum_k w_k N(target; m_k, s_k)``, mean over the numbers."""
        logits, means, stds = self._parts(outputs)
        gaussians = torch.distributions.Normal(means, stds, validate_args=False)
        each = logits.log_softmax(dim=-1) + gaussians.log_prob(target[..., None])
        return -each.logsumexp(dim=-1).mean()

    def estimate(self, outputs: Float[Tensor, "... outputs"]) -> NumberEstimate:
        """Mean and standard deviation of the mixture."""
        logits, means, stds = self._parts(outputs)
        weights = logits.softmax(dim=-1)
        value = (weights * means).sum(dim=-1)
        spread = stds.square() + (means - value[..., None]).square()
        return NumberEstimate(value, (weights * spread).sum(dim=-1).sqrt())


class ValueEmbedding(nn.Module):
    """A number as a vector that is added to the embedding of its ``[NUM]``.

    The value, its sines and cosines of 8 periods (16, 8 ... 1/8, in the numbers' unit)
    go through Linear, GELU, Linear. The last layer starts at zero, so that an untrained
    one changes nothing.

    Args:
        hidden_dim: of the language model.
        inner_dim: of the layer between.
    """

    periods: Tensor

    def __init__(self, hidden_dim: int, inner_dim: int = 128) -> None:
        super().__init__()
        periods = _LONGEST_PERIOD / 2 ** torch.arange(_NUM_PERIODS)
        self.register_buffer("periods", periods, persistent=False)
        self.inner = nn.Linear(1 + 2 * _NUM_PERIODS, inner_dim)
        self.outer = nn.Linear(inner_dim, hidden_dim)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, values: Float[Tensor, "..."]) -> Float[Tensor, "... hidden_dim"]:
        """Vectors of values, in the type of the weights."""
        values = values[..., None].float()
        angles = 2 * torch.pi * values / self.periods
        features = torch.cat([values, angles.sin(), angles.cos()], dim=-1)
        inner = self.inner(features.to(self.inner.weight.dtype))
        vectors: Tensor = self.outer(functional.gelu(inner))
        return vectors


class NumericHead(nn.Module):
    """Reads numbers from hidden states, in single precision whatever the model's.

    Args:
        readout: hidden states to outputs; see `readout`.
        number_model: what the outputs mean.
        feedback: puts values into embeddings, None where they are not fed back.
        normalised: the outputs are ``(number - mean) / std`` of the training programs,
            see `fit`; without it a number is what comes out.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(
        self,
        readout: nn.Module,
        number_model: NumberModel,
        feedback: ValueEmbedding | None = None,
        *,
        normalised: bool = False,
    ) -> None:
        super().__init__()
        self.readout = readout
        self.number_model = number_model
        self.feedback = feedback
        self.register_buffer("mean", torch.zeros(()) if normalised else None)
        self.register_buffer("std", torch.ones(()) if normalised else None)

    @property
    def normalised(self) -> bool:
        """Whether the outputs are normalised numbers."""
        return self.mean is not None

    def fit(self, numbers: Float[Tensor, " numbers"]) -> None:
        """Takes mean and standard deviation from training numbers, where it has them.

        Raises:
            ValueError: there are no numbers, or all are equal.
        """
        if self.mean is None or self.std is None:
            return
        if numbers.numel() < 2 or numbers.std() == 0:
            raise ValueError("normalised numbers need training programs with numbers")
        self.mean.copy_(numbers.double().mean())
        self.std.copy_(numbers.double().std(correction=0))

    def forward(
        self, states: Float[Tensor, "... hidden"]
    ) -> Float[Tensor, "... outputs"]:
        """Outputs of the readout."""
        weights = next(self.readout.parameters())
        # bfloat16 holds 3 digits, and numbers have 3 decimals
        with torch.autocast(states.device.type, enabled=False):
            outputs: Tensor = self.readout(states.to(weights.dtype))
        return outputs.float()

    def loss(
        self,
        outputs: Float[Tensor, "numbers outputs"],
        numbers: Float[Tensor, " numbers"],
    ) -> Float[Tensor, ""]:
        """Mean loss; zero, but part of the graph, where there is no number."""
        if not len(numbers):
            return outputs.sum()
        if self.mean is not None and self.std is not None:
            numbers = (numbers - self.mean) / self.std
        return self.number_model.loss(outputs, numbers)

    @torch.no_grad()
    def squared_error(
        self,
        outputs: Float[Tensor, "numbers outputs"],
        numbers: Float[Tensor, " numbers"],
    ) -> Float[Tensor, ""]:
        """Mean squared error in the numbers' own unit; zero of nothing."""
        if not len(numbers):
            return outputs.new_zeros(())
        return functional.mse_loss(self.estimate(outputs).value, numbers)

    def estimate(self, outputs: Float[Tensor, "... outputs"]) -> NumberEstimate:
        """Numbers in their own unit."""
        value, std = self.number_model.estimate(outputs)
        if self.mean is not None and self.std is not None:
            value = value * self.std + self.mean
            std = None if std is None else std * self.std
        return NumberEstimate(value, std)


def readout(kind: str, hidden_dim: int, components: int = 1) -> nn.Module | None:
    """The layers that read numbers from hidden states; None for ``none``.

    Args:
        kind: ``none``, ``linear``, ``tanh_mlp_gelu`` (the paper's: Tanh, Linear, GELU,
            Linear) or ``mixture``, the paper's layers with more outputs.
        hidden_dim: width of the states.
        components: Gaussians of ``mixture``; each has 3 outputs.

    Raises:
        ValueError: `kind` is unknown.
    """
    if kind == "none":
        return None
    if kind == "linear":
        return nn.Linear(hidden_dim, 1)
    if kind not in ("tanh_mlp_gelu", "mixture"):
        raise ValueError(f"unknown numeric head {kind!r}")
    inner = nn.Linear(hidden_dim, hidden_dim)
    last = nn.Linear(hidden_dim, 3 * components if kind == "mixture" else 1)
    if kind == "mixture":
        # components that start at one place would stay there together
        spread = torch.linspace(-1, 1, components) if components > 1 else torch.zeros(1)
        with torch.no_grad():
            last.bias[components : 2 * components] = spread
    return nn.Sequential(nn.Tanh(), inner, nn.GELU(), last)


class NumberTokenLoss(nn.Module):
    """Distance of the digits that a model expects from the true ones.

    At every position whose label is a digit d: ``sum_i p_i |i - d|``, where p is the
    softmax over the ten digits alone: the Wasserstein-1 distance to the true digit, of
    "Regress, Don't Guess" (Zausinger et al., 2025). Cross-entropy alone counts a 5 for
    a 4 as wrong as a 9. All digits of a number weigh the same.

    Args:
        digit_ids: the tokens of 0 to 9.
    """

    digit_ids: Tensor

    def __init__(self, digit_ids: Sequence[int]) -> None:
        super().__init__()
        if len(set(digit_ids)) != 10:
            raise ValueError(f"ten different digits are needed, not {list(digit_ids)}")
        ids = torch.tensor(list(digit_ids))
        self.register_buffer("digit_ids", ids, persistent=False)

    def forward(
        self,
        logits: Float[Tensor, "tokens vocabulary"],
        labels: Int64[Tensor, " tokens"],
    ) -> Float[Tensor, ""]:
        """Mean over the digits among the labels; zero where there is none."""
        matches = labels[:, None] == self.digit_ids
        is_digit = matches.any(dim=1)
        expected = logits[is_digit][:, self.digit_ids].float().softmax(dim=-1)
        true = matches[is_digit].int().argmax(dim=1)
        places = torch.arange(10, device=logits.device)
        distances = (places - true[:, None]).abs()
        return (expected * distances).sum() / max(1, len(true))
