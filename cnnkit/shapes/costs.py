"""Parameters and FLOPs of layers (guide, "How to Calculate the Total Number of Parameters in a CNN")."""

from __future__ import annotations

from typing import Any

from cnnkit.shapes.checked import groups_advice
from cnnkit.shapes.windows import per_axis


def conv2d_parameters(in_channels: int, out_channels: int, kernel_size: Any, groups: int = 1,
                      bias: bool = True) -> int:
    """Trainable numbers of a convolution: ``R S C/groups K + K`` (guide, "Convolutional Layer Parameters").

    >>> conv2d_parameters(3, 8, 3), conv2d_parameters(8, 16, 3)
    (224, 1168)
    """
    r, s = per_axis(kernel_size, "kernel_size")
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise ValueError(groups_advice(in_channels, out_channels, groups))
    return r * s * (in_channels // groups) * out_channels + (out_channels if bias else 0)


def linear_parameters(in_features: int, out_features: int, bias: bool = True) -> int:
    """Trainable numbers of a dense layer: ``inputs x outputs + outputs`` (guide, "Dense Layer Parameters").

    >>> linear_parameters(8 * 14 * 14, 128), linear_parameters(128, 10)
    (200832, 1290)
    """
    return in_features * out_features + (out_features if bias else 0)


def conv2d_flops(in_channels: int, out_channels: int, kernel_size: Any, output_size: Any,
                 groups: int = 1) -> int:
    """Floating-point operations of a convolution's forward pass, for one image.

    A multiplication is one and an addition is one, so a multiply-add is two: ``2 R S C/groups K P Q``. A bias
    is where the sum starts and costs nothing more; padded zeros count like pixels.

    >>> conv2d_flops(3, 8, 3, output_size=(28, 56))
    677376
    """
    p, q = per_axis(output_size, "output_size")
    return 2 * p * q * conv2d_parameters(in_channels, out_channels, kernel_size, groups, bias=False)


def linear_flops(in_features: int, out_features: int) -> int:
    """Floating-point operations of a dense layer's forward pass, for one row; counted as in `conv2d_flops`.

    >>> linear_flops(128, 10)
    2560
    """
    return 2 * in_features * out_features


def pool2d_flops(channels: int, kernel_size: Any, output_size: Any) -> int:
    """Floating-point operations of a pooling's forward pass, for one image: ``R S C P Q``.

    A comparison is one, like an addition or a division. A maximum compares each pixel with the greatest so
    far; an average adds ``R S - 1`` times and divides once.

    >>> pool2d_flops(8, 2, output_size=(14, 28))
    12544
    """
    (r, s), (p, q) = per_axis(kernel_size, "kernel_size"), per_axis(output_size, "output_size")
    return channels * r * s * p * q
