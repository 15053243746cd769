"""VGG (Simonyan and Zisserman, "Very deep convolutional networks", 2015)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import draw_convolutions, draw_linears, scaled
from cnnkit.models.building import architecture

__all__ = ["VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

# channels of the convolutions (all 3x3), and "M" for a pooling: the paper's columns
COLUMNS: dict[str, list[int | str]] = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "D": [64, 64, "M", 128, 128, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M"],
    "E": [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"]}


class VGG(nn.Module):
    """3x3 convolutions and poolings, then three dense layers; images of at least 32x32.

    Parameters
    ----------
    features : Module
        The convolutional part, with 512 channels (times `width_mult`) at its end; see `make_layers`.
    num_classes : int
        The number of scores.
    init_weights : bool
        Draw the weights as the paper's authors did later (Kaiming's); otherwise the layers' own.
    dropout : float
        Probability of a zero after each hidden dense layer.
    width_mult : float
        Makes the dense layers wider or narrower.
    """

    classifier: nn.Sequential

    def __init__(self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True,
                 dropout: float = 0.5, *, width_mult: float = 1.0):
        super().__init__()
        last, hidden = scaled(512, width_mult), scaled(4096, width_mult)
        self.features = features
        self.avgpool: nn.AdaptiveAvgPool2d = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(last * 7 * 7, hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, num_classes))
        if init_weights:
            draw_convolutions(self, functools.partial(nn.init.kaiming_normal_, mode="fan_out"))
            draw_linears(self, functools.partial(nn.init.normal_, std=0.01))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def make_layers(cfg: Sequence[int | str], batch_norm: bool = False, *, in_channels: int = 3,
                width_mult: float = 1.0) -> nn.Sequential:
    """Convolutions with ReLU, as many channels as `cfg` says, and a pooling for each ``"M"``.

    >>> make_layers([64, "M"])
    Sequential(
      (0): Conv2d(3, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
      (1): ReLU()
      (2): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
    )
    """
    layers: list[nn.Module] = []
    for entry in cfg:
        if isinstance(entry, str):
            layers.append(nn.MaxPool2d(2, stride=2))
            continue
        channels = scaled(entry, width_mult)
        norm = [nn.BatchNorm2d(channels)] if batch_norm else []
        layers += [nn.Conv2d(in_channels, channels, 3, padding=1), *norm, nn.ReLU()]
        in_channels = channels
    return nn.Sequential(*layers)


def _vgg(column: str, batch_norm: bool, *, num_classes: int = 1000, init_weights: bool = True,
         dropout: float = 0.5, in_channels: int = 3, width_mult: float = 1.0) -> VGG:
    features = make_layers(COLUMNS[column], batch_norm, in_channels=in_channels, width_mult=width_mult)
    return VGG(features, num_classes, init_weights, dropout, width_mult=width_mult)


@architecture(_vgg)
def vgg11(**settings: Any) -> VGG:
    """VGG-11: 8 convolutions; see `VGG`."""
    return _vgg("A", False, **settings)


@architecture(_vgg)
def vgg11_bn(**settings: Any) -> VGG:
    """VGG-11 with batch norm."""
    return _vgg("A", True, **settings)


@architecture(_vgg)
def vgg13(**settings: Any) -> VGG:
    """VGG-13: 10 convolutions."""
    return _vgg("B", False, **settings)


@architecture(_vgg)
def vgg13_bn(**settings: Any) -> VGG:
    """VGG-13 with batch norm."""
    return _vgg("B", True, **settings)


@architecture(_vgg)
def vgg16(**settings: Any) -> VGG:
    """VGG-16: 13 convolutions."""
    return _vgg("D", False, **settings)


@architecture(_vgg)
def vgg16_bn(**settings: Any) -> VGG:
    """VGG-16 with batch norm."""
    return _vgg("D", True, **settings)


@architecture(_vgg)
def vgg19(**settings: Any) -> VGG:
    """VGG-19: 16 convolutions."""
    return _vgg("E", False, **settings)


@architecture(_vgg)
def vgg19_bn(**settings: Any) -> VGG:
    """VGG-19 with batch norm."""
    return _vgg("E", True, **settings)
