"""MobileNet V2 (Sandler et al., "Inverted residuals and linear bottlenecks", 2018)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import cnnkit.functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import Conv2dNormActivation, Layer, draw_convolutions, draw_linears, make_divisible
from cnnkit.models.building import architecture

__all__ = ["MobileNetV2", "mobilenet_v2"]

# expansion, channels, blocks, stride of the first block: the paper's table 2
STAGES = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2],
          [6, 320, 1, 1]]


class InvertedResidual(nn.Module):
    """1x1 to more channels, 3x3 on each channel by itself, 1x1 to few; added to the input where that fits."""

    conv: nn.Sequential

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Layer | None = None):
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        make = functools.partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
        hidden = round(inp * expand_ratio)
        self.use_res_connect: bool = stride == 1 and inp == oup
        expansion = [make(inp, hidden, kernel_size=1)] if expand_ratio != 1 else []
        self.conv = nn.Sequential(*expansion, make(hidden, hidden, stride=stride, groups=hidden),
                                  nn.Conv2d(hidden, oup, 1, bias=False), norm(oup))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """A convolution, stages of inverted residuals, a 1x1 convolution, global average pooling, a dense layer.

    Parameters
    ----------
    num_classes : int
        The number of scores.
    width_mult : float
        Makes all layers wider or narrower; the last convolution never narrower.
    inverted_residual_setting : sequence of [expansion, channels, blocks, stride], optional
        Other stages than the paper's.
    round_nearest : int
        Numbers of channels are multiples of it.
    block, norm_layer : callable, optional
        Make the blocks and norms, in place of `InvertedResidual` and `nn.BatchNorm2d`.
    dropout : float
        Probability of a zero before the dense layer.
    in_channels : int
        Channels of the images.
    """

    features: nn.Sequential
    classifier: nn.Sequential

    def __init__(self, num_classes: int = 1000, width_mult: float = 1.0,
                 inverted_residual_setting: Sequence[Sequence[int]] | None = None, round_nearest: int = 8,
                 block: Callable[..., nn.Module] | None = None,
                 norm_layer: Callable[..., nn.Module] | None = None, dropout: float = 0.2, *,
                 in_channels: int = 3):
        super().__init__()
        block, norm = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        stages = STAGES if inverted_residual_setting is None else inverted_residual_setting
        if not stages or any(len(stage) != 4 for stage in stages):
            raise ValueError("inverted_residual_setting takes [expansion, channels, blocks, stride] for each "
                             f"stage, such as [6, 24, 2, 2]; got {inverted_residual_setting!r}")
        make = functools.partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
        channels = make_divisible(32 * width_mult, round_nearest)
        self.last_channel: int = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [make(in_channels, channels, stride=2)]
        for expansion, planes, count, stride in stages:
            planes = make_divisible(planes * width_mult, round_nearest)
            for number in range(count):
                features.append(block(channels, planes, 1 if number else stride, expand_ratio=expansion,
                                      norm_layer=norm))
                channels = planes
        self.features = nn.Sequential(*features, make(channels, self.last_channel, kernel_size=1))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        draw_convolutions(self, functools.partial(nn.init.kaiming_normal_, mode="fan_out"))
        draw_linears(self, functools.partial(nn.init.normal_, std=0.01))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), 1).flatten(1))


@architecture(MobileNetV2)
def mobilenet_v2(**settings: Any) -> MobileNetV2:
    """MobileNet V2; see `MobileNetV2`."""
    return MobileNetV2(**settings)
