"""GoogLeNet (Szegedy et al., "Going deeper with convolutions", 2015), with torchvision's batch norm."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import cnnkit.functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import scaled
from cnnkit.models.building import architecture

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "googlenet"]

# channels of the branches: 1x1, to and of 3x3, to and of the second 3x3 (the paper's 5x5), after pooling
BLOCKS = {"3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
          "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64),
          "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64),
          "4e": (256, 160, 320, 32, 128, 128), "5a": (256, 160, 320, 32, 128, 128),
          "5b": (384, 192, 384, 48, 128, 128)}
# mean and deviation of ImageNet's channels, which torchvision's images are normalised by
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class GoogLeNetOutputs(NamedTuple):
    """In training: the scores, and those of the two auxiliary classifiers; losses of all three are added."""

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


class BasicConv2d(nn.Module):
    """A convolution with batch norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1,
                 padding: int = 0):
        super().__init__()
        self.conv: nn.Conv2d = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
        self.bn: nn.BatchNorm2d = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four branches side by side: 1x1, 1x1 and 3x3 twice, pooling and 1x1."""

    branch2: nn.Sequential
    branch3: nn.Sequential
    branch4: nn.Sequential

    def __init__(self, in_channels: int, ch1x1: int, ch3x3red: int, ch3x3: int, ch5x5red: int, ch5x5: int,
                 pool_proj: int):
        super().__init__()
        self.branch1: BasicConv2d = BasicConv2d(in_channels, ch1x1, 1)
        self.branch2 = nn.Sequential(BasicConv2d(in_channels, ch3x3red, 1),
                                     BasicConv2d(ch3x3red, ch3x3, 3, padding=1))
        self.branch3 = nn.Sequential(BasicConv2d(in_channels, ch5x5red, 1),
                                     BasicConv2d(ch5x5red, ch5x5, 3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True),
                                     BasicConv2d(in_channels, pool_proj, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1)


class InceptionAux(nn.Module):
    """A small classifier from the middle of the network, which training needs and prediction does not."""

    fc1: nn.Linear
    fc2: nn.Linear

    def __init__(self, in_channels: int, num_classes: int, dropout: float, width_mult: float):
        super().__init__()
        channels, hidden = scaled(128, width_mult), scaled(1024, width_mult)
        self.conv: BasicConv2d = BasicConv2d(in_channels, channels, 1)
        self.fc1, self.fc2 = nn.Linear(channels * 16, hidden), nn.Linear(hidden, num_classes)
        self.dropout: nn.Dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.adaptive_avg_pool2d(x, 4)).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """Three convolutions, nine Inception blocks, global average pooling, a dense layer.

    Parameters
    ----------
    num_classes : int
        The number of scores.
    aux_logits : bool
        Have two auxiliary classifiers; in training the result is then `GoogLeNetOutputs`.
    transform_input : bool
        Take images that are normalised as torchvision's are, for weights that were trained on others.
    init_weights : bool
        Draw all weights from a normal distribution of deviation 0.01; otherwise the layers' own.
    dropout, dropout_aux : float
        Probability of a zero before the dense layer, and within the auxiliary classifiers.
    in_channels : int
        Channels of the images.
    width_mult : float
        Makes all layers wider or narrower.
    """

    aux_logits: bool
    transform_input: bool
    conv1: BasicConv2d
    maxpool1: nn.MaxPool2d
    conv2: BasicConv2d
    conv3: BasicConv2d
    avgpool: nn.AdaptiveAvgPool2d
    dropout: nn.Dropout

    def __init__(self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
                 init_weights: bool = True, *, dropout: float = 0.2, dropout_aux: float = 0.7,
                 in_channels: int = 3, width_mult: float = 1.0):
        super().__init__()
        self.aux_logits, self.transform_input = aux_logits, transform_input
        first, third = scaled(64, width_mult), scaled(192, width_mult)
        half = functools.partial(nn.MaxPool2d, stride=2, ceil_mode=True)
        self.conv1, self.maxpool1 = BasicConv2d(in_channels, first, 7, stride=2, padding=3), half(3)
        self.conv2, self.conv3 = BasicConv2d(first, first, 1), BasicConv2d(first, third, 3, padding=1)
        self.maxpool2: nn.MaxPool2d = half(3)
        channels, middle = third, {}
        for name, branches in BLOCKS.items():
            widths = [scaled(n, width_mult) for n in branches]
            middle[name] = channels
            self.add_module(f"inception{name}", Inception(channels, *widths))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
            if name in ("3b", "4e"):
                self.add_module(f"maxpool{int(name[0])}", half(3 if name == "3b" else 2))
        make = functools.partial(InceptionAux, num_classes=num_classes, dropout=dropout_aux,
                                 width_mult=width_mult)
        self.aux1: InceptionAux | None = make(middle["4b"]) if aux_logits else None
        self.aux2: InceptionAux | None = make(middle["4e"]) if aux_logits else None
        self.avgpool, self.dropout = nn.AdaptiveAvgPool2d(1), nn.Dropout(dropout)
        self.fc: nn.Linear = nn.Linear(channels, num_classes)
        if init_weights:
            for module in self.modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    nn.init.trunc_normal_(module.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        x = _as_published(x) if self.transform_input else x
        aux1 = aux2 = None
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        for name in BLOCKS:
            if name == "4b" and self.aux1 is not None and self.training:
                aux1 = self.aux1(x)
            if name == "4e" and self.aux2 is not None and self.training:
                aux2 = self.aux2(x)
            x = self.get_submodule(f"inception{name}")(x)
            if name in ("3b", "4e"):
                x = self.get_submodule(f"maxpool{name[0]}")(x)
        x = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return GoogLeNetOutputs(x, aux2, aux1) if self.training and self.aux_logits else x


def _as_published(x: Tensor) -> Tensor:
    """Images normalised by ImageNet's mean and deviation, as those from -1 to 1 that the weights know."""
    return F.cat([x[:, c:c + 1] * (deviation / 0.5) + (mean - 0.5) / 0.5
                  for c, (mean, deviation) in enumerate(zip(MEAN, DEVIATION))], dim=1)


@architecture(GoogLeNet)
def googlenet(**settings: Any) -> GoogLeNet:
    """GoogLeNet; see `GoogLeNet`."""
    return GoogLeNet(**settings)
