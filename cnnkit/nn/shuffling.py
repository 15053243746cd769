"""Layers that move pixels between channels and places."""

from __future__ import annotations

import cnnkit.functional as F
from cnnkit.nn.function import FunctionModule

__all__ = ["ChannelShuffle", "PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(FunctionModule, function=F.pixel_shuffle):
    """Images (N, C r r, H, W) as (N, C, H r, W r); see `functional.pixel_shuffle`.

    >>> PixelShuffle(2)
    PixelShuffle(upscale_factor=2)
    """


class PixelUnshuffle(FunctionModule, function=F.pixel_unshuffle):
    """Images (N, C, H r, W r) as (N, C r r, H, W); see `functional.pixel_unshuffle`.

    >>> PixelUnshuffle(2)
    PixelUnshuffle(downscale_factor=2)
    """


class ChannelShuffle(FunctionModule, function=F.channel_shuffle):
    """Channels in another order: each group gets some of all others; see `functional.channel_shuffle`.

    >>> ChannelShuffle(2)
    ChannelShuffle(groups=2)
    """
