"""EfficientNet (Tan and Le, "Rethinking model scaling for convolutional neural networks", 2019)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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

__all__ = ["EfficientNet", "efficientnet_b0"]

# expansion, kernel, stride, input and output channels, blocks: the paper's table 1
STAGES = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3),
          (6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1)]


@dataclass
class MBConvConfig:
    """One stage; its channels are multiplied by `width_mult`, its blocks by `depth_mult`."""

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    width_mult: float = 1.0
    depth_mult: float = 1.0

    def __post_init__(self) -> None:
        self.input_channels = make_divisible(self.input_channels * self.width_mult)
        self.out_channels = make_divisible(self.out_channels * self.width_mult)
        self.num_layers = math.ceil(self.num_layers * self.depth_mult)
        self.width_mult = self.depth_mult = 1.0  # they are in the numbers now


class MBConv(nn.Module):
    """MobileNet's inverted residual with squeeze-and-excitation, dropped at random in training."""

    block: nn.Sequential

    def __init__(self, cnf: MBConvConfig, stochastic_depth_prob: float, norm_layer: Callable[..., nn.Module]):
        super().__init__()
        make = functools.partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        hidden = make_divisible(cnf.input_channels * cnf.expand_ratio)
        expansion = [make(cnf.input_channels, hidden, kernel_size=1)] if hidden != cnf.input_channels else []
        self.use_res_connect: bool = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(
            *expansion, make(hidden, hidden, kernel_size=cnf.kernel, stride=cnf.stride, groups=hidden),
            SqueezeExcitation(hidden, max(1, cnf.input_channels // 4), activation=nn.SiLU),
            make(hidden, cnf.out_channels, kernel_size=1, activation_layer=None))
        self.stochastic_depth: nn.StochasticDepth = nn.StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        out = self.block(input)
        return self.stochastic_depth(out) + input if self.use_res_connect else out


class EfficientNet(nn.Module):
    """A convolution, stages of `MBConv`, a 1x1 convolution, global average pooling, a dense layer.

    Parameters
    ----------
    inverted_residual_setting : sequence of MBConvConfig
        The stages.
    dropout : float
        Probability of a zero before the dense layer.
    stochastic_depth_prob : float
        Probability that training leaves the last block out; it grows from 0 at the first.
    num_classes : int
        The number of scores.
    norm_layer : callable, optional
        Makes a norm of a number of channels.
    last_channel : int, optional
        Channels of the last convolution; by default four times its input's.
    in_channels : int
        Channels of the images.
    """

    def __init__(self, inverted_residual_setting: Sequence[MBConvConfig], dropout: float,
                 stochastic_depth_prob: float = 0.2, num_classes: int = 1000,
                 norm_layer: Callable[..., nn.Module] | None = None, last_channel: int | None = None, *,
                 in_channels: int = 3):
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        make = functools.partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.SiLU)
        features: list[nn.Module] = [make(in_channels, inverted_residual_setting[0].input_channels, stride=2)]
        count, done = sum(stage.num_layers for stage in inverted_residual_setting), 0
        for stage in inverted_residual_setting:
            later = replace(stage, input_channels=stage.out_channels, stride=1)
            features.append(nn.Sequential(*[
                MBConv(later if number else stage, stochastic_depth_prob * (done + number) / count, norm)
                for number in range(stage.num_layers)]))
            done += stage.num_layers
        last = inverted_residual_setting[-1].out_channels
        end = 4 * last if last_channel is None else last_channel
        self.features: nn.Sequential = nn.Sequential(*features, make(last, end, kernel_size=1))
        self.avgpool: nn.AdaptiveAvgPool2d = nn.AdaptiveAvgPool2d(1)
        self.classifier: nn.Sequential = nn.Sequential(nn.Dropout(dropout), nn.Linear(end, num_classes))
        draw_convolutions(self, functools.partial(nn.init.kaiming_normal_, mode="fan_out"))
        bound = 1 / math.sqrt(num_classes)
        draw_linears(self, functools.partial(nn.init.uniform_, a=-bound, b=bound))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _efficientnet_b(width: float, depth: float, *, dropout: float = 0.2, stochastic_depth_prob: float = 0.2,
                    num_classes: int = 1000, norm_layer: Callable[..., nn.Module] | None = None,
                    in_channels: int = 3, width_mult: float = 1.0) -> EfficientNet:
    stages = [MBConvConfig(*row, width_mult=width * width_mult, depth_mult=depth) for row in STAGES]
    return EfficientNet(stages, dropout, stochastic_depth_prob, num_classes, norm_layer,
                        in_channels=in_channels)


@architecture(_efficientnet_b)
def efficientnet_b0(**settings: Any) -> EfficientNet:
    """EfficientNet B0; see `EfficientNet`."""
    return _efficientnet_b(1.0, 1.0, **settings)
