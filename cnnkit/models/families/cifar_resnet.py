"""ResNets for images of 32x32 (He et al. 2016, section 4.2): 0.27 to 1.7 million parameters.

Names are those of the widespread github.com/akamaster/pytorch_resnet_cifar10, so that its weights fit.
"""

from __future__ import annotations

from typing import Any

import cnnkit.functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import draw_convolutions, scaled
from cnnkit.models.building import architecture

__all__ = ["CifarResNet", "cifar_resnet20", "cifar_resnet32", "cifar_resnet44", "cifar_resnet56",
           "cifar_resnet110"]


class PaddedShortcut(nn.Module):
    """Option A: every second pixel, and channels of zeros on both sides; nothing to train."""

    after: int
    before: int
    stride: int

    def __init__(self, extra: int, stride: int):
        super().__init__()
        self.before, self.after, self.stride = extra // 2, extra - extra // 2, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.before, self.after))

    def extra_repr(self) -> str:
        return f"{self.before} + {self.after} channels, stride={self.stride}"


class Block(nn.Module):
    """Two 3x3 convolutions, whose result is added to the input, or to what the shortcut makes of it."""

    def __init__(self, channels: int, planes: int, stride: int, option: str):
        super().__init__()
        self.conv1: nn.Conv2d = nn.Conv2d(channels, planes, 3, stride, padding=1, bias=False)
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(planes)
        self.conv2: nn.Conv2d = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2: nn.BatchNorm2d = nn.BatchNorm2d(planes)
        self.shortcut: nn.Module = nn.Sequential()
        if stride != 1 or channels != planes:
            self.shortcut = (PaddedShortcut(planes - channels, stride) if option == "A" else nn.Sequential(
                nn.Conv2d(channels, planes, 1, stride, bias=False), nn.BatchNorm2d(planes)))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """A 3x3 convolution, three stages of residual blocks with 16, 32 and 64 channels, a dense layer.

    Parameters
    ----------
    blocks : int
        In each stage; the network has 6 times as many layers, and 2 more.
    num_classes : int
        The number of scores.
    option : {"A", "B"}
        What a block adds where the size changes: the padded input (the paper's option A, which it used
        here), or a 1x1 convolution of it.
    in_channels : int
        Channels of the images.
    width_mult : float
        Makes all layers wider or narrower.

    >>> sum(p.numel() for p in CifarResNet(3).parameters())
    269722
    """

    def __init__(self, blocks: int, num_classes: int = 10, *, option: str = "A", in_channels: int = 3,
                 width_mult: float = 1.0):
        super().__init__()
        if option not in ("A", "B"):
            raise ValueError(f"CifarResNet takes option='A' or option='B'; got {option!r}")
        first, second, third = (scaled(n, width_mult) for n in (16, 32, 64))
        self.conv1: nn.Conv2d = nn.Conv2d(in_channels, first, 3, padding=1, bias=False)
        self.bn1: nn.BatchNorm2d = nn.BatchNorm2d(first)
        self.relu: nn.ReLU = nn.ReLU()
        self.layer1: nn.Sequential = _stage(first, first, blocks, 1, option)
        self.layer2: nn.Sequential = _stage(first, second, blocks, 2, option)
        self.layer3: nn.Sequential = _stage(second, third, blocks, 2, option)
        self.linear: nn.Linear = nn.Linear(third, num_classes)
        draw_convolutions(self, nn.init.kaiming_normal_)
        nn.init.kaiming_normal_(self.linear.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


def _stage(channels: int, planes: int, blocks: int, stride: int, option: str) -> nn.Sequential:
    return nn.Sequential(Block(channels, planes, stride, option),
                         *[Block(planes, planes, 1, option) for _ in range(1, blocks)])


@architecture(CifarResNet, input_shape=(3, 32, 32))
def cifar_resnet20(**settings: Any) -> CifarResNet:
    """ResNet-20 for images of 32x32; see `CifarResNet`."""
    return CifarResNet(3, **settings)


@architecture(CifarResNet, input_shape=(3, 32, 32))
def cifar_resnet32(**settings: Any) -> CifarResNet:
    """ResNet-32 for images of 32x32; see `CifarResNet`."""
    return CifarResNet(5, **settings)


@architecture(CifarResNet, input_shape=(3, 32, 32))
def cifar_resnet44(**settings: Any) -> CifarResNet:
    """ResNet-44 for images of 32x32; see `CifarResNet`."""
    return CifarResNet(7, **settings)


@architecture(CifarResNet, input_shape=(3, 32, 32))
def cifar_resnet56(**settings: Any) -> CifarResNet:
    """ResNet-56 for images of 32x32; see `CifarResNet`."""
    return CifarResNet(9, **settings)


@architecture(CifarResNet, input_shape=(3, 32, 32))
def cifar_resnet110(**settings: Any) -> CifarResNet:
    """ResNet-110 for images of 32x32; see `CifarResNet`."""
    return CifarResNet(18, **settings)
