"""ResNet (He et al., "Deep residual learning for image recognition", 2016), and two that are made like it.

ResNeXt (Xie et al. 2017) splits the middle convolution into groups, Wide ResNet (Zagoruyko and Komodakis
2016) makes it wider. As in torchvision, a bottleneck's stride is in its 3x3 convolution.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import Layer, draw_convolutions, scaled
from cnnkit.models.building import architecture

__all__ = ["BasicBlock", "Bottleneck", "ResNet", "resnet18", "resnet34", "resnet50", "resnet101",
           "resnext50_32x4d", "wide_resnet50_2"]


def conv3x3(channels: int, out_channels: int, stride: int = 1, groups: int = 1,
            dilation: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size at stride 1, without bias."""
    return nn.Conv2d(channels, out_channels, 3, stride, padding=dilation, groups=groups, bias=False,
                     dilation=dilation)


def conv1x1(channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution without bias."""
    return nn.Conv2d(channels, out_channels, 1, stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, whose result is added to the input; the block of ResNet-18 and 34."""

    expansion: ClassVar[int] = 1
    bn1: nn.BatchNorm2d | nn.Module
    conv1: nn.Conv2d
    bn2: nn.BatchNorm2d | nn.Module
    conv2: nn.Conv2d

    def __init__(self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
                 groups: int = 1, base_width: int = 64, dilation: int = 1, norm_layer: Layer | None = None):
        super().__init__()
        if groups != 1 or base_width != 64 or dilation != 1:
            raise ValueError("BasicBlock takes groups=1, base_width=64 and dilation=1; got "
                             f"{groups}, {base_width} and {dilation}: use Bottleneck")
        norm = norm_layer or nn.BatchNorm2d
        self.conv1, self.bn1 = conv3x3(inplanes, planes, stride), norm(planes)
        self.relu: nn.ReLU = nn.ReLU()
        self.conv2, self.bn2 = conv3x3(planes, planes), norm(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + identity)

    @property
    def last_norm(self) -> nn.Module:
        """The norm before the addition."""
        return self.bn2


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, the middle one on fewer channels; the block of ResNet-50 and deeper."""

    expansion: ClassVar[int] = 4
    bn1: nn.BatchNorm2d | nn.Module
    conv1: nn.Conv2d
    bn2: nn.BatchNorm2d | nn.Module
    conv2: nn.Conv2d
    bn3: nn.BatchNorm2d | nn.Module
    conv3: nn.Conv2d

    def __init__(self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
                 groups: int = 1, base_width: int = 64, dilation: int = 1, norm_layer: Layer | None = None):
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width, out_planes = max(1, int(planes * base_width / 64)) * groups, planes * self.expansion
        self.conv1, self.bn1 = conv1x1(inplanes, width), norm(width)
        self.conv2, self.bn2 = conv3x3(width, width, stride, groups, dilation), norm(width)
        self.conv3, self.bn3 = conv1x1(width, out_planes), norm(out_planes)
        self.relu: nn.ReLU = nn.ReLU()
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + identity)

    @property
    def last_norm(self) -> nn.Module:
        """The norm before the addition."""
        return self.bn3


class ResNet(nn.Module):
    """A 7x7 convolution with pooling, four stages of residual blocks, global average pooling, a dense layer.

    Parameters
    ----------
    block : {BasicBlock, Bottleneck}
        What the stages are made of.
    layers : sequence of four int
        The number of blocks in each stage.
    num_classes : int
        The number of scores.
    zero_init_residual : bool
        Begin with blocks that pass their input on (Goyal et al. 2017).
    groups, width_per_group : int
        Of the bottlenecks' middle convolution: 32 and 4 are ResNeXt-50 32x4d.
    replace_stride_with_dilation : sequence of three bool, optional
        Whether the second, third and fourth stage keep the size and dilate instead.
    norm_layer : callable, optional
        Makes a norm of a number of channels; by default `nn.BatchNorm2d`.
    in_channels : int
        Channels of the images.
    width_mult : float
        Makes all layers wider or narrower.

    >>> ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10).fc
    Linear(in_features=512, out_features=10, bias=True)
    """

    dilation: int
    inplanes: int
    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self, block: type[BasicBlock | Bottleneck], layers: Sequence[int], num_classes: int = 1000,
                 zero_init_residual: bool = False, groups: int = 1, width_per_group: int = 64,
                 replace_stride_with_dilation: Sequence[bool] | None = None,
                 norm_layer: Callable[..., nn.Module] | None = None, *, in_channels: int = 3,
                 width_mult: float = 1.0):
        super().__init__()
        dilate = replace_stride_with_dilation or (False, False, False)
        if len(dilate) != 3:
            raise ValueError("ResNet takes three values as replace_stride_with_dilation, one for each stage "
                             f"after the first; got {replace_stride_with_dilation!r}")
        self.inplanes, self.dilation = scaled(64, width_mult), 1
        make = functools.partial(block, groups=groups, base_width=width_per_group, norm_layer=norm_layer)
        self.conv1: nn.Conv2d = nn.Conv2d(in_channels, self.inplanes, 7, stride=2, padding=3, bias=False)
        self.bn1: nn.BatchNorm2d | nn.Module = (norm_layer or nn.BatchNorm2d)(self.inplanes)
        self.relu: nn.ReLU = nn.ReLU()
        self.maxpool: nn.MaxPool2d = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._stage(make, block.expansion, scaled(64, width_mult), layers[0], 1, False)
        self.layer2 = self._stage(make, block.expansion, scaled(128, width_mult), layers[1], 2, dilate[0])
        self.layer3 = self._stage(make, block.expansion, scaled(256, width_mult), layers[2], 2, dilate[1])
        self.layer4 = self._stage(make, block.expansion, scaled(512, width_mult), layers[3], 2, dilate[2])
        self.avgpool: nn.AdaptiveAvgPool2d = nn.AdaptiveAvgPool2d(1)
        self.fc: nn.Linear = nn.Linear(self.inplanes, num_classes)

        draw_convolutions(self, functools.partial(nn.init.kaiming_normal_, mode="fan_out"))
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, BasicBlock | Bottleneck):
                    nn.init.zeros_(module.last_norm.get_parameter("weight"))

    def _stage(self, make: functools.partial, expansion: int, planes: int, count: int, stride: int,
               dilate: bool) -> nn.Sequential:
        """`count` blocks, the first of which makes the maps smaller, or dilates, and changes the channels."""
        norm, before = make.keywords["norm_layer"] or nn.BatchNorm2d, self.dilation
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        downsample, out_planes = None, planes * expansion
        if stride != 1 or self.inplanes != out_planes:
            downsample = nn.Sequential(conv1x1(self.inplanes, out_planes, stride), norm(out_planes))
        blocks = [make(self.inplanes, planes, stride, downsample, dilation=before)]
        self.inplanes = out_planes
        blocks += [make(out_planes, planes, dilation=self.dilation) for _ in range(1, count)]
        return nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


@architecture(ResNet)
def resnet18(**settings: Any) -> ResNet:
    """ResNet-18; see `ResNet`."""
    return ResNet(BasicBlock, [2, 2, 2, 2], **settings)


@architecture(ResNet)
def resnet34(**settings: Any) -> ResNet:
    """ResNet-34; see `ResNet`."""
    return ResNet(BasicBlock, [3, 4, 6, 3], **settings)


@architecture(ResNet)
def resnet50(**settings: Any) -> ResNet:
    """ResNet-50; see `ResNet`."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **settings)


@architecture(ResNet)
def resnet101(**settings: Any) -> ResNet:
    """ResNet-101; see `ResNet`."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **settings)


@architecture(ResNet, sets=("groups", "width_per_group"))
def resnext50_32x4d(**settings: Any) -> ResNet:
    """ResNeXt-50 with 32 groups of 4 channels; see `ResNet`."""
    return ResNet(Bottleneck, [3, 4, 6, 3], groups=32, width_per_group=4, **settings)


@architecture(ResNet, sets=("width_per_group",))
def wide_resnet50_2(**settings: Any) -> ResNet:
    """Wide ResNet-50-2, whose 3x3 convolutions have twice the channels; see `ResNet`."""
    return ResNet(Bottleneck, [3, 4, 6, 3], width_per_group=128, **settings)
