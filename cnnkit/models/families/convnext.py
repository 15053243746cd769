"""ConvNeXt (Liu et al., "A ConvNet for the 2020s", 2022)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import (
    Conv2dNormActivation,
    LayerNorm2d,
    Permute,
    draw_convolutions,
    draw_linears,
    scaled,
)
from cnnkit.models.building import architecture

__all__ = ["ConvNeXt", "convnext_tiny"]

TINY = [(96, 192, 3), (192, 384, 3), (384, 768, 9), (768, None, 3)]  # channels, those after, blocks


@dataclass
class CNBlockConfig:
    """One stage, and the channels of the 2x2 convolution after it, if there is one."""

    input_channels: int
    out_channels: int | None
    num_layers: int


class CNBlock(nn.Module):
    """7x7 on each channel by itself, two dense layers on each pixel; scaled, and added to the input."""

    block: nn.Sequential
    layer_scale: nn.Parameter

    def __init__(self, dim: int, layer_scale: float, stochastic_depth_prob: float,
                 norm_layer: Callable[..., nn.Module] | None = None):
        super().__init__()
        norm = norm_layer or functools.partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim), Permute([0, 2, 3, 1]), norm(dim),
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim), Permute([0, 3, 1, 2]))
        self.layer_scale = nn.Parameter(nn.init.constant_(nn.init.empty((dim, 1, 1)), layer_scale))
        self.stochastic_depth: nn.StochasticDepth = nn.StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        return self.stochastic_depth(self.layer_scale * self.block(input)) + input


class ConvNeXt(nn.Module):
    """4x4 patches, stages of `CNBlock` with a 2x2 convolution between two, pooling, a dense layer.

    Parameters
    ----------
    block_setting : sequence of CNBlockConfig
        The stages.
    stochastic_depth_prob : float
        Probability that training leaves the last block out; it grows from 0 at the first.
    layer_scale : float
        What the blocks' results are multiplied by at first.
    num_classes : int
        The number of scores.
    block, norm_layer : callable, optional
        Make the blocks, and the norms between the stages.
    in_channels : int
        Channels of the images.
    """

    classifier: nn.Sequential

    def __init__(self, block_setting: Sequence[CNBlockConfig], stochastic_depth_prob: float = 0.0,
                 layer_scale: float = 1e-6, num_classes: int = 1000,
                 block: Callable[..., nn.Module] | None = None,
                 norm_layer: Callable[..., nn.Module] | None = None, *, in_channels: int = 3):
        super().__init__()
        block, norm = block or CNBlock, norm_layer or functools.partial(LayerNorm2d, eps=1e-6)
        features: list[nn.Module] = [Conv2dNormActivation(
            in_channels, block_setting[0].input_channels, kernel_size=4, stride=4, padding=0, norm_layer=norm,
            activation_layer=None, bias=True)]
        others, done, channels = sum(stage.num_layers for stage in block_setting) - 1, 0, 0
        for stage in block_setting:
            channels = stage.input_channels
            features.append(nn.Sequential(*[
                block(channels, layer_scale, stochastic_depth_prob * (done + number) / max(1, others))
                for number in range(stage.num_layers)]))
            done += stage.num_layers
            if stage.out_channels is not None:
                features.append(nn.Sequential(
                    norm(channels), nn.Conv2d(channels, stage.out_channels, 2, stride=2)))
                channels = stage.out_channels
        self.features: nn.Sequential = nn.Sequential(*features)
        self.avgpool: nn.AdaptiveAvgPool2d = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(norm(channels), nn.Flatten(1), nn.Linear(channels, num_classes))
        draw = functools.partial(nn.init.trunc_normal_, std=0.02)
        draw_convolutions(self, draw)
        draw_linears(self, draw)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


def _convnext(stages: Sequence[tuple], *, stochastic_depth_prob: float = 0.1, layer_scale: float = 1e-6,
              num_classes: int = 1000, block: Callable[..., nn.Module] | None = None,
              norm_layer: Callable[..., nn.Module] | None = None, in_channels: int = 3,
              width_mult: float = 1.0) -> ConvNeXt:
    setting = [CNBlockConfig(scaled(first, width_mult), after and scaled(after, width_mult), count)
               for first, after, count in stages]
    return ConvNeXt(setting, stochastic_depth_prob, layer_scale, num_classes, block, norm_layer,
                    in_channels=in_channels)


@architecture(_convnext)
def convnext_tiny(**settings: Any) -> ConvNeXt:
    """ConvNeXt tiny; see `ConvNeXt`."""
    return _convnext(TINY, **settings)
