"""ShuffleNet V2 (Ma et al., "Practical guidelines for efficient CNN architecture design", 2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cnnkit.functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import scaled
from cnnkit.models.building import architecture

__all__ = ["ShuffleNetV2", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5",
           "shufflenet_v2_x2_0"]

REPEATS = [4, 8, 4]  # blocks of the three stages


def pointwise(channels: int, out_channels: int) -> list[nn.Module]:
    """A 1x1 convolution with batch norm and ReLU."""
    return [nn.Conv2d(channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU()]


def depthwise(channels: int, stride: int) -> list[nn.Module]:
    """A 3x3 convolution of each channel by itself, with batch norm."""
    return [nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels)]


class InvertedResidual(nn.Module):
    """Convolves one half of the channels (at stride 2 both, each from all), and shuffles the halves."""

    branch1: nn.Sequential
    branch2: nn.Sequential

    def __init__(self, inp: int, oup: int, stride: int):
        super().__init__()
        half = oup // 2
        if stride == 1 and inp != 2 * half:
            raise ValueError("InvertedResidual keeps the channels, an even number, at stride=1; got "
                             f"inp={inp} and oup={oup}")
        self.stride = stride
        self.branch1 = (nn.Sequential() if stride == 1
                        else nn.Sequential(*depthwise(inp, stride), *pointwise(inp, half)))
        self.branch2 = nn.Sequential(*pointwise(half if stride == 1 else inp, half), *depthwise(half, stride),
                                     *pointwise(half, half))

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            kept, changed = x.chunk(2, dim=1)
            halves = kept, self.branch2(changed)
        else:
            halves = self.branch1(x), self.branch2(x)
        return F.channel_shuffle(F.cat(halves, dim=1), 2)


class ShuffleNetV2(nn.Module):
    """A convolution with pooling, three stages of blocks, a 1x1 convolution, pooling, a dense layer.

    Parameters
    ----------
    stages_repeats : sequence of three int
        Blocks of each stage.
    stages_out_channels : sequence of five int
        Channels of the first convolution, the stages and the last convolution.
    num_classes : int
        The number of scores.
    inverted_residual : callable
        Makes the blocks.
    in_channels : int
        Channels of the images.
    width_mult : float
        Makes all layers wider or narrower.
    """

    conv1: nn.Sequential

    def __init__(self, stages_repeats: Sequence[int], stages_out_channels: Sequence[int],
                 num_classes: int = 1000, inverted_residual: Callable[..., nn.Module] = InvertedResidual, *,
                 in_channels: int = 3, width_mult: float = 1.0):
        super().__init__()
        if len(stages_repeats) != 3 or len(stages_out_channels) != 5:
            raise ValueError("ShuffleNetV2 takes three numbers as stages_repeats and five as "
                             f"stages_out_channels; got {stages_repeats!r} and {stages_out_channels!r}")
        first, *widths, last = (scaled(n, width_mult, multiple=2) for n in stages_out_channels)
        self.conv1 = nn.Sequential(nn.Conv2d(in_channels, first, 3, stride=2, padding=1, bias=False),
                                   nn.BatchNorm2d(first), nn.ReLU())
        self.maxpool: nn.MaxPool2d = nn.MaxPool2d(3, stride=2, padding=1)
        channels = first
        for number, (count, width) in enumerate(zip(stages_repeats, widths), 2):
            blocks = [inverted_residual(channels, width, 2)]
            blocks += [inverted_residual(width, width, 1) for _ in range(count - 1)]
            self.add_module(f"stage{number}", nn.Sequential(*blocks))
            channels = width
        self.conv5: nn.Sequential = nn.Sequential(*pointwise(channels, last))
        self.fc: nn.Linear = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        for stage in ("stage2", "stage3", "stage4", "conv5"):
            x = self.get_submodule(stage)(x)
        return self.fc(x.mean((2, 3)))


@architecture(ShuffleNetV2, sets=("inverted_residual",))
def shufflenet_v2_x0_5(**settings: Any) -> ShuffleNetV2:
    """ShuffleNet V2 with half the channels; see `ShuffleNetV2`."""
    return ShuffleNetV2(REPEATS, [24, 48, 96, 192, 1024], **settings)


@architecture(ShuffleNetV2, sets=("inverted_residual",))
def shufflenet_v2_x1_0(**settings: Any) -> ShuffleNetV2:
    """ShuffleNet V2; see `ShuffleNetV2`."""
    return ShuffleNetV2(REPEATS, [24, 116, 232, 464, 1024], **settings)


@architecture(ShuffleNetV2, sets=("inverted_residual",))
def shufflenet_v2_x1_5(**settings: Any) -> ShuffleNetV2:
    """ShuffleNet V2 with one and a half times the channels; see `ShuffleNetV2`."""
    return ShuffleNetV2(REPEATS, [24, 176, 352, 704, 1024], **settings)


@architecture(ShuffleNetV2, sets=("inverted_residual",))
def shufflenet_v2_x2_0(**settings: Any) -> ShuffleNetV2:
    """ShuffleNet V2 with about twice the channels; see `ShuffleNetV2`."""
    return ShuffleNetV2(REPEATS, [24, 244, 488, 976, 2048], **settings)
