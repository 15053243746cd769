"""Convolutions at PyTorch's place, with their base classes."""

from cnnkit.nn.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from cnnkit.nn.conv import _Convolution as _ConvNd
from cnnkit.nn.conv import _ConvTranspose as _ConvTransposeNd

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "_ConvNd",
           "_ConvTransposeNd"]
