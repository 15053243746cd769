"""DenseNet (Huang et al., "Densely connected convolutional networks", 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cnnkit.functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import draw_convolutions, scaled
from cnnkit.models.building import architecture
from cnnkit.utils.checkpoint import checkpoint

__all__ = ["DenseNet", "densenet121"]


class DenseLayer(nn.Module):
    """Makes `growth_rate` maps of all that came before it, by a 1x1 and a 3x3 convolution."""

    norm1: nn.BatchNorm2d
    relu1: nn.ReLU
    norm2: nn.BatchNorm2d
    relu2: nn.ReLU
    drop_rate: float
    memory_efficient: bool

    def __init__(self, channels: int, growth_rate: int, bn_size: int, drop_rate: float,
                 memory_efficient: bool):
        super().__init__()
        between = bn_size * growth_rate
        self.norm1, self.relu1 = nn.BatchNorm2d(channels), nn.ReLU()
        self.conv1: nn.Conv2d = nn.Conv2d(channels, between, 1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(between), nn.ReLU()
        self.conv2: nn.Conv2d = nn.Conv2d(between, growth_rate, 3, padding=1, bias=False)
        self.drop_rate, self.memory_efficient = float(drop_rate), memory_efficient

    def _bottleneck(self, *maps: Tensor) -> Tensor:
        return self.conv1(self.relu1(self.norm1(F.cat(maps, dim=1))))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        if self.memory_efficient and any(feature_map.requires_grad for feature_map in maps):
            between = checkpoint(self._bottleneck, *maps, use_reentrant=False)
        else:
            between = self._bottleneck(*maps)
        new = self.conv2(self.relu2(self.norm2(between)))
        return F.dropout(new, self.drop_rate, self.training) if self.drop_rate > 0 else new


class DenseBlock(nn.ModuleDict):
    """Layers, each of which sees the input and the results of all those before it."""

    def __init__(self, count: int, channels: int, growth_rate: int, **settings: Any):
        super().__init__({
            f"denselayer{n + 1}": DenseLayer(channels + n * growth_rate, growth_rate, **settings)
            for n in range(count)})

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for layer in self.values():
            maps.append(layer(maps))
        return F.cat(maps, dim=1)


class DenseNet(nn.Module):
    """A 7x7 convolution with pooling, dense blocks with a transition between two, pooling, a dense layer.

    Parameters
    ----------
    growth_rate : int
        Maps that each layer adds.
    block_config : sequence of int
        Layers in each block.
    num_init_features : int
        Channels of the first convolution.
    bn_size : int
        Channels between the two convolutions of a layer, over `growth_rate`.
    drop_rate : float
        Probability of a zero after each layer.
    num_classes : int
        The number of scores.
    memory_efficient : bool
        Compute what is between the convolutions again in backward instead of keeping it.
    in_channels : int
        Channels of the images.
    width_mult : float
        Makes all layers wider or narrower.
    """

    def __init__(self, growth_rate: int = 32, block_config: Sequence[int] = (6, 12, 24, 16),
                 num_init_features: int = 64, bn_size: int = 4, drop_rate: float = 0, num_classes: int = 1000,
                 memory_efficient: bool = False, *, in_channels: int = 3, width_mult: float = 1.0):
        super().__init__()
        growth_rate, channels = scaled(growth_rate, width_mult), scaled(num_init_features, width_mult)
        layers: dict[str, nn.Module] = {
            "conv0": nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False),
            "norm0": nn.BatchNorm2d(channels), "relu0": nn.ReLU(),
            "pool0": nn.MaxPool2d(3, stride=2, padding=1)}
        for number, count in enumerate(block_config, 1):
            layers[f"denseblock{number}"] = DenseBlock(count, channels, growth_rate, bn_size=bn_size,
                                                       drop_rate=drop_rate, memory_efficient=memory_efficient)
            channels += count * growth_rate
            if number < len(block_config):
                layers[f"transition{number}"] = nn.Sequential({
                    "norm": nn.BatchNorm2d(channels), "relu": nn.ReLU(),
                    "conv": nn.Conv2d(channels, channels // 2, 1, bias=False), "pool": nn.AvgPool2d(2)})
                channels //= 2
        self.features: nn.Sequential = nn.Sequential({**layers, "norm5": nn.BatchNorm2d(channels)})
        self.classifier: nn.Linear = nn.Linear(channels, num_classes)
        draw_convolutions(self, nn.init.kaiming_normal_)
        nn.init.zeros_(self.classifier.get_parameter("bias"))

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(F.relu(self.features(x)), 1)
        return self.classifier(x.flatten(1))


@architecture(DenseNet, sets=("growth_rate", "block_config", "num_init_features"))
def densenet121(**settings: Any) -> DenseNet:
    """DenseNet-121; see `DenseNet`."""
    return DenseNet(32, (6, 12, 24, 16), 64, **settings)
