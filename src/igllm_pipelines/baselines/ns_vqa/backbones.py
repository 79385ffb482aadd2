"""Residual networks of torchvision, with random weights or those of a file."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.resnet import BasicBlock, ResNet


def build_resnet(name: str, weights: str | None = None) -> ResNet:
    """A residual network, its weights random unless a file is named.

    Args:
        name: of `config.BACKBONES`.
        weights: file of torchvision's weights for this network, with or without the
            classifier ``fc``.

    Raises:
        ValueError: the file is missing, broken or for another network.
    """
    if name == "resnet10":
        network = ResNet(BasicBlock, [1, 1, 1, 1])
    else:
        network = get_model(name, weights=None)
    if weights is not None:
        _load(network, Path(weights), name)
    return network


def _load(network: nn.Module, file: Path, name: str) -> None:
    try:
        tensors: dict[str, Tensor] = torch.load(
            file, map_location="cpu", weights_only=True
        )
    except Exception as error:  # torch raises all kinds for a broken file
        raise ValueError(f"{file}: weights cannot be read ({error})") from error
    own = network.state_dict()
    kept = {key: value for key, value in own.items() if key.startswith("fc.")}
    try:
        network.load_state_dict({**kept, **_without_classifier(tensors)})
    except (RuntimeError, AttributeError, TypeError) as error:
        raise ValueError(f"{file}: no weights of {name} ({error})") from error


def _without_classifier(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v for k, v in tensors.items() if not k.startswith("fc.")}


def widen_input(network: ResNet, copies: int) -> None:
    """Lets the network see `copies` pictures at once, in place.

    The first convolution is repeated over its input channels and divided, so that equal
    pictures give what one gave before.
    """
    old = network.conv1
    new = nn.Conv2d(
        copies * old.in_channels,
        old.out_channels,
        kernel_size=(7, 7),
        stride=(2, 2),
        padding=(3, 3),
        bias=False,
    )
    with torch.no_grad():
        new.weight.copy_(old.weight.repeat(1, copies, 1, 1) / copies)
    network.conv1 = new
