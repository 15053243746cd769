"""SqueezeNet (Iandola et al., "AlexNet-level accuracy with 50x fewer parameters", 2016)."""

from __future__ import annotations

import functools
from typing import Any

import cnnkit.functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import draw_convolutions, scaled
from cnnkit.models.building import architecture

__all__ = ["SqueezeNet", "squeezenet1_0", "squeezenet1_1"]

# (squeeze, expand) channels of each Fire module, and "M" for a pooling
VERSIONS: dict[str, tuple[int, int, list[Any]]] = {  # version -> first channels and kernel, the rest
    "1_0": (96, 7, ["M", (16, 64), (16, 64), (32, 128), "M", (32, 128), (48, 192), (48, 192), (64, 256), "M",
                    (64, 256)]),
    "1_1": (64, 3, ["M", (16, 64), (16, 64), "M", (32, 128), (32, 128), "M", (48, 192), (48, 192), (64, 256),
                    (64, 256)])}


class Fire(nn.Module):
    """A 1x1 convolution to few channels, then 1x1 and 3x3 convolutions side by side."""

    squeeze: nn.Conv2d
    squeeze_activation: nn.ReLU
    expand1x1: nn.Conv2d
    expand1x1_activation: nn.ReLU

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int):
        super().__init__()
        self.squeeze, self.squeeze_activation = nn.Conv2d(inplanes, squeeze_planes, 1), nn.ReLU()
        self.expand1x1, self.expand1x1_activation = nn.Conv2d(squeeze_planes, expand1x1_planes, 1), nn.ReLU()
        self.expand3x3: nn.Conv2d = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation: nn.ReLU = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        return F.cat([self.expand1x1_activation(self.expand1x1(x)),
                      self.expand3x3_activation(self.expand3x3(x))], dim=1)


class SqueezeNet(nn.Module):
    """Fire modules and poolings, and a 1x1 convolution whose maps are averaged into scores.

    Parameters
    ----------
    version : {"1_0", "1_1"}
        1.1 computes less than half as much.
    num_classes : int
        The number of scores.
    dropout : float
        Probability of a zero before the last convolution.
    in_channels : int
        Channels of the images.
    width_mult : float
        Makes all layers wider or narrower.
    """

    classifier: nn.Sequential

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5, *,
                 in_channels: int = 3, width_mult: float = 1.0):
        super().__init__()
        if version not in VERSIONS:
            raise ValueError(f"SqueezeNet has version {' and '.join(map(repr, VERSIONS))}; got {version!r}")
        channels, kernel_size, rest = VERSIONS[version]
        channels = scaled(channels, width_mult)
        layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, kernel_size, stride=2), nn.ReLU()]
        for entry in rest:
            if entry == "M":
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            else:
                squeeze, expand = (scaled(n, width_mult) for n in entry)
                layers.append(Fire(channels, squeeze, expand, expand))
                channels = 2 * expand
        self.features: nn.Sequential = nn.Sequential(*layers)
        last = nn.Conv2d(channels, num_classes, 1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), last, nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        draw_convolutions(self.features, nn.init.kaiming_uniform_)
        draw_convolutions(self.classifier, functools.partial(nn.init.normal_, std=0.01))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


@architecture(SqueezeNet, sets=("version",))
def squeezenet1_0(**settings: Any) -> SqueezeNet:
    """SqueezeNet 1.0; see `SqueezeNet`."""
    return SqueezeNet("1_0", **settings)


@architecture(SqueezeNet, sets=("version",))
def squeezenet1_1(**settings: Any) -> SqueezeNet:
    """SqueezeNet 1.1; see `SqueezeNet`."""
    return SqueezeNet("1_1", **settings)
