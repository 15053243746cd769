"""What several families of models are made of: convolution with norm and activation, squeeze-and-excitation.

Modules have torchvision's names, arguments and order of children, so that its weights fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cnnkit.functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor

__all__ = ["Conv2dNormActivation", "LayerNorm2d", "Permute", "SqueezeExcitation", "draw_convolutions",
           "draw_linears", "make_divisible", "scaled"]

Layer = Callable[..., nn.Module]


def make_divisible(channels: float, divisor: int = 8, least: int | None = None) -> int:
    """The multiple of `divisor` nearest to `channels`, but not more than a tenth below (MobileNet's rule).

    >>> make_divisible(33), make_divisible(3), make_divisible(18)
    (32, 8, 24)
    """
    least = divisor if least is None else least
    rounded = max(least, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def scaled(channels: int, width_mult: float, multiple: int = 1) -> int:
    """A number of channels, multiplied by `width_mult`: a multiple of `multiple`, and never 0.

    >>> scaled(64, 1.0), scaled(64, 0.125), scaled(3, 0.125), scaled(116, 0.125, multiple=2)
    (64, 8, 1, 14)
    """
    if not width_mult > 0:
        raise ValueError(f"width_mult must be positive, such as 0.5; got {width_mult!r}")
    return max(1, round(channels * width_mult / multiple)) * multiple


class Conv2dNormActivation(nn.Sequential):
    """A convolution that keeps the size where the stride is 1, a norm and an activation, each optional.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the maps before and after.
    kernel_size, stride, padding, groups, dilation
        As in `nn.Conv2d`; by default the padding is half the (dilated) kernel.
    norm_layer, activation_layer : callable or None
        Make the norm of a number of channels, and the activation; ``None`` for none.
    bias : bool, optional
        Whether the convolution has one; by default where there is no norm.

    >>> Conv2dNormActivation(3, 8, stride=2)
    Conv2dNormActivation(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
      (1): BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
      (2): ReLU()
    )
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1,
                 padding: int | None = None, groups: int = 1, norm_layer: Layer | None = nn.BatchNorm2d,
                 activation_layer: Layer | None = nn.ReLU, dilation: int = 1, bias: bool | None = None):
        if padding is None:
            padding = (kernel_size - 1) // 2 * dilation
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups,
                      bias=norm_layer is None if bias is None else bias)]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer())
        super().__init__(*layers)


class SqueezeExcitation(nn.Module):
    """Weighs every channel by what the means of all channels say of it (Hu, Shen and Sun 2018).

    Parameters
    ----------
    input_channels, squeeze_channels : int
        Channels of the maps, and of the layer between.
    activation, scale_activation : callable
        Make the activation between, and that which gives the weights.
    """

    activation: nn.Module
    scale_activation: nn.Module

    def __init__(self, input_channels: int, squeeze_channels: int, activation: Layer = nn.ReLU,
                 scale_activation: Layer = nn.Sigmoid):
        super().__init__()
        self.avgpool: nn.AdaptiveAvgPool2d = nn.AdaptiveAvgPool2d(1)
        self.fc1: nn.Conv2d = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2: nn.Conv2d = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation, self.scale_activation = activation(), scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        scale = self.fc2(self.activation(self.fc1(self.avgpool(input))))
        return self.scale_activation(scale) * input


class Permute(nn.Module):
    """The axes in another order."""

    def __init__(self, dims: list[int]):
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.dims)

    def extra_repr(self) -> str:
        return f"{self.dims}"


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each pixel, of maps (N, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        x = input.permute(0, 2, 3, 1)
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


def draw_convolutions(model: nn.Module, draw: Callable[[Tensor], Any]) -> None:
    """Draw the weights of all convolutions by `draw`, and make their biases 0."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            draw(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def draw_linears(model: nn.Module, draw: Callable[[Tensor], Any]) -> None:
    """Draw the weights of all dense layers by `draw`, and make their biases 0."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            draw(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
