"""MobileNet V3 (Howard et al., "Searching for MobileNetV3", 2019)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import (
    Conv2dNormActivation,
    SqueezeExcitation,
    draw_convolutions,
    draw_linears,
    make_divisible,
)
from cnnkit.models.building import architecture

__all__ = ["MobileNetV3", "mobilenet_v3_large", "mobilenet_v3_small"]

# kernel, expanded and output channels, squeeze-and-excitation, activation, stride: the paper's tables 1 and 2
LARGE = [(3, 16, 16, False, "RE", 1), (3, 64, 24, False, "RE", 2), (3, 72, 24, False, "RE", 1),
         (5, 72, 40, True, "RE", 2), (5, 120, 40, True, "RE", 1), (5, 120, 40, True, "RE", 1),
         (3, 240, 80, False, "HS", 2), (3, 200, 80, False, "HS", 1), (3, 184, 80, False, "HS", 1),
         (3, 184, 80, False, "HS", 1), (3, 480, 112, True, "HS", 1), (3, 672, 112, True, "HS", 1),
         (5, 672, 160, True, "HS", 2), (5, 960, 160, True, "HS", 1), (5, 960, 160, True, "HS", 1)]
SMALL = [(3, 16, 16, True, "RE", 2), (3, 72, 24, False, "RE", 2), (3, 88, 24, False, "RE", 1),
         (5, 96, 40, True, "HS", 2), (5, 240, 40, True, "HS", 1), (5, 240, 40, True, "HS", 1),
         (5, 120, 48, True, "HS", 1), (5, 144, 48, True, "HS", 1), (5, 288, 96, True, "HS", 2),
         (5, 576, 96, True, "HS", 1), (5, 576, 96, True, "HS", 1)]


@dataclass
class InvertedResidualConfig:
    """One row of the paper's tables; channels are multiplied by `width_mult`, and multiples of 8."""

    input_channels: int
    kernel: int
    expanded_channels: int
    out_channels: int
    use_se: bool
    activation: str  # "RE" for ReLU, "HS" for hard swish
    stride: int
    dilation: int
    width_mult: float

    def __post_init__(self) -> None:
        for name in ("input_channels", "expanded_channels", "out_channels"):
            setattr(self, name, self.adjust_channels(vars(self)[name], self.width_mult))

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """A number of channels, made wider or narrower."""
        return make_divisible(channels * width_mult)


class InvertedResidual(nn.Module):
    """MobileNet V2's block with squeeze-and-excitation before the last convolution, and other activations."""

    block: nn.Sequential

    def __init__(self, cnf: InvertedResidualConfig, norm_layer: Callable[..., nn.Module]):
        super().__init__()
        make = functools.partial(Conv2dNormActivation, norm_layer=norm_layer,
                                 activation_layer=nn.Hardswish if cnf.activation == "HS" else nn.ReLU)
        hidden, layers = cnf.expanded_channels, []
        if hidden != cnf.input_channels:
            layers.append(make(cnf.input_channels, hidden, kernel_size=1))
        layers.append(make(hidden, hidden, kernel_size=cnf.kernel, groups=hidden, dilation=cnf.dilation,
                           stride=1 if cnf.dilation > 1 else cnf.stride))
        squeeze = ([SqueezeExcitation(hidden, make_divisible(hidden // 4), scale_activation=nn.Hardsigmoid)]
                   if cnf.use_se else [])
        self.use_res_connect: bool = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers, *squeeze, make(hidden, cnf.out_channels, kernel_size=1,
                                                           activation_layer=None))

    def forward(self, input: Tensor) -> Tensor:
        return self.block(input) + input if self.use_res_connect else self.block(input)


class MobileNetV3(nn.Module):
    """A convolution, inverted residuals, a 1x1 convolution, global average pooling, two dense layers.

    Parameters
    ----------
    inverted_residual_setting : sequence of InvertedResidualConfig
        The blocks.
    last_channel : int
        Neurons of the hidden dense layer.
    num_classes : int
        The number of scores.
    block, norm_layer : callable, optional
        Make the blocks and norms.
    dropout : float
        Probability of a zero after the hidden dense layer.
    in_channels : int
        Channels of the images.
    """

    features: nn.Sequential
    classifier: nn.Sequential

    def __init__(self, inverted_residual_setting: Sequence[InvertedResidualConfig], last_channel: int,
                 num_classes: int = 1000, block: Callable[..., nn.Module] | None = None,
                 norm_layer: Callable[..., nn.Module] | None = None, dropout: float = 0.2, *,
                 in_channels: int = 3):
        super().__init__()
        block = block or InvertedResidual
        norm = norm_layer or functools.partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        make = functools.partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.Hardswish)
        first, last = inverted_residual_setting[0].input_channels, inverted_residual_setting[-1].out_channels
        self.features = nn.Sequential(
            make(in_channels, first, stride=2), *[block(cnf, norm) for cnf in inverted_residual_setting],
            make(last, 6 * last, kernel_size=1))
        self.avgpool: nn.AdaptiveAvgPool2d = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(6 * last, last_channel), nn.Hardswish(),
                                        nn.Dropout(dropout), nn.Linear(last_channel, num_classes))
        draw_convolutions(self, functools.partial(nn.init.kaiming_normal_, mode="fan_out"))
        draw_linears(self, functools.partial(nn.init.normal_, std=0.01))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _mobilenet_v3(rows: Sequence[tuple], last_channel: int, *, width_mult: float = 1.0,
                  reduced_tail: bool = False, dilated: bool = False, num_classes: int = 1000,
                  block: Callable[..., nn.Module] | None = None,
                  norm_layer: Callable[..., nn.Module] | None = None, dropout: float = 0.2,
                  in_channels: int = 3) -> MobileNetV3:
    """The network of a table; the last stage with half the channels, or dilated in place of its stride."""
    tail = len(rows) - 3
    divider = 2 if reduced_tail else 1
    configs, channels = [], 16
    for number, (kernel, expanded, out, use_se, activation, stride) in enumerate(rows):
        if number >= tail:
            out //= divider
            expanded //= divider if number > tail else 1
        configs.append(InvertedResidualConfig(channels, kernel, expanded, out, use_se, activation, stride,
                                              2 if dilated and number >= tail else 1, width_mult))
        channels = out
    last = InvertedResidualConfig.adjust_channels(last_channel // divider, width_mult)
    return MobileNetV3(configs, last, num_classes, block, norm_layer, dropout, in_channels=in_channels)


@architecture(_mobilenet_v3)
def mobilenet_v3_large(**settings: Any) -> MobileNetV3:
    """MobileNet V3 large; see `MobileNetV3`."""
    return _mobilenet_v3(LARGE, 1280, **settings)


@architecture(_mobilenet_v3)
def mobilenet_v3_small(**settings: Any) -> MobileNetV3:
    """MobileNet V3 small; see `MobileNetV3`."""
    return _mobilenet_v3(SMALL, 1024, **settings)
