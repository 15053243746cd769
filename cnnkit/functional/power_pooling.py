"""Power-average pooling on Tensors: between the average and the maximum of each window."""

from __future__ import annotations

import math
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.functional.pooling import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from cnnkit.shapes import per_axis

__all__ = ["lp_pool1d", "lp_pool2d", "lp_pool3d"]

AVERAGE: dict[int, Any] = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}
MAXIMUM: dict[int, Any] = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}


def lp_pool1d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None,
              ceil_mode: bool = False) -> Tensor:
    """`lp_pool2d` of signals (N, C, L), or one (C, L).

    >>> import cnnkit
    >>> lp_pool1d(cnnkit.tensor([[[3.0, 4.0]]]), 2, 2)
    tensor([[[5.]]])
    """
    return _power(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None,
              ceil_mode: bool = False) -> Tensor:
    """The root of the sum of powers of each window: ``sum(x**norm_type)**(1 / norm_type)``.

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
        Images, or one image.
    norm_type : float
        The exponent; infinity takes the largest absolute value.
    kernel_size, stride, ceil_mode
        As in `max_pool2d`.

    Returns
    -------
    Tensor, (N, C, P, Q) or (C, P, Q)

    >>> import cnnkit
    >>> lp_pool2d(cnnkit.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 1, 2)
    tensor([[[10.]]])
    """
    return _power(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None,
              ceil_mode: bool = False) -> Tensor:
    """`lp_pool2d` of volumes (N, C, D, H, W), or of one.

    >>> import cnnkit
    >>> lp_pool3d(cnnkit.tensor([[[[[3.0, 4.0]]]]]), 2, (1, 1, 2))
    tensor([[[[[5.]]]]])
    """
    return _power(3, input, norm_type, kernel_size, stride, ceil_mode)


def _power(rank: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any,
           ceil_mode: bool) -> Tensor:
    if math.isinf(norm_type):
        if norm_type > 0:
            return MAXIMUM[rank](abs(input), kernel_size, stride, ceil_mode=ceil_mode)
        return -MAXIMUM[rank](-abs(input), kernel_size, stride, ceil_mode=ceil_mode)
    means = AVERAGE[rank](input ** norm_type, kernel_size, stride, ceil_mode=ceil_mode)
    return (means * math.prod(per_axis(kernel_size, "kernel_size", 1, rank))) ** (1 / norm_type)
