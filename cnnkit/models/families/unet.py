"""U-Net (Ronneberger, Fischer and Brox, "Convolutional networks for biomedical image segmentation", 2015).

With padding, so that the scores have the image's size, and with batch norm.
"""

from __future__ import annotations

import itertools
from typing import Any

import cnnkit.functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import scaled
from cnnkit.models.building import architecture

__all__ = ["UNet", "unet"]


def double_conv(channels: int, out_channels: int) -> nn.Sequential:
    """Two 3x3 convolutions that keep the size, each with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for before in (channels, out_channels):
        layers += [nn.Conv2d(before, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels),
                   nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Down to small maps and up again; what was seen at each size on the way down is joined on the way up.

    Images may have any size of at least ``2 ** depth`` pixels.

    Parameters
    ----------
    num_classes : int
        The number of scores of each pixel.
    depth : int
        How often the size is halved, and the channels doubled.
    width : int
        Channels at the full size.
    in_channels : int
        Channels of the images.
    width_mult : float
        Makes all layers wider or narrower.

    >>> from cnnkit import zeros
    >>> UNet(num_classes=4, width_mult=0.125)(zeros((1, 3, 40, 50))).shape
    (1, 4, 40, 50)
    """

    down: nn.ModuleList
    enlarge: nn.ModuleList

    def __init__(self, num_classes: int = 2, depth: int = 4, width: int = 64, *, in_channels: int = 3,
                 width_mult: float = 1.0):
        super().__init__()
        widths = [scaled(width * 2 ** level, width_mult) for level in range(depth + 1)]
        self.down = nn.ModuleList(double_conv(before, after)
                                  for before, after in zip([in_channels, *widths], widths))
        self.pool: nn.MaxPool2d = nn.MaxPool2d(2)
        pairs = list(itertools.pairwise(widths))[::-1]  # from the coarsest size up
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in pairs)
        self.up: nn.ModuleList = nn.ModuleList(double_conv(2 * fine, fine) for fine, _ in pairs)
        self.scores: nn.Conv2d = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (N, classes, H, W) of images (N, C, H, W)."""
        least = 2 ** (len(self.down) - 1)
        if min(x.shape[2:]) < least:
            raise ValueError(f"a UNet of depth {len(self.down) - 1} takes images of at least {least}x{least} "
                             f"pixels; got an input of shape {x.shape}")
        seen = []
        for number, convolve in enumerate(self.down):
            x = convolve(self.pool(x) if number else x)
            seen.append(x)
        for enlarge, convolve, fine in zip(self.enlarge, self.up, seen[-2::-1]):
            x = enlarge(x)
            odd_rows, odd_columns = (n - m for n, m in zip(fine.shape[2:], x.shape[2:]))  # pooling took them
            x = F.pad(x, (0, odd_columns, 0, odd_rows)) if odd_rows or odd_columns else x
            x = convolve(F.cat([fine, x], dim=1))
        return self.scores(x)


@architecture(UNet, task="segmentation")
def unet(**settings: Any) -> UNet:
    """U-Net; see `UNet`."""
    return UNet(**settings)
