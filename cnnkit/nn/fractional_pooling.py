"""Fractional max pooling layers."""

from __future__ import annotations

from typing import Any

import cnnkit.functional as F
from cnnkit.nn.function import FunctionModule

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d"]


class _Fractional(FunctionModule, function=F.fractional_max_pool2d, buffers=("_random_samples",),
                  shown=False):
    """Base of both layers: checks the settings that exclude each other."""

    output_size: Any
    output_ratio: Any

    def __init__(self, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
                 return_indices: bool = False, _random_samples: Any = None):
        super().__init__(kernel_size, output_size, output_ratio, return_indices, _random_samples)
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{type(self).__name__} requires specifying either output_size or output_ratio; "
                             f"got {output_size=}, {output_ratio=}")
        ratios = output_ratio if isinstance(output_ratio, tuple | list) else (output_ratio,)
        if not all(ratio is None or 0 < ratio < 1 for ratio in ratios):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")


class FractionalMaxPool2d(_Fractional, function=F.fractional_max_pool2d, buffers=("_random_samples",),
                          shown=False):
    """The largest pixels of windows whose distances are drawn; see `functional.fractional_max_pool2d`.

    >>> import cnnkit
    >>> FractionalMaxPool2d(2, output_ratio=0.5)(cnnkit.tensor([[[1.0, 2.0], [4.0, 3.0]]]))
    tensor([[[4.]]])
    """


class FractionalMaxPool3d(_Fractional, function=F.fractional_max_pool3d, buffers=("_random_samples",),
                          shown=False):
    """`FractionalMaxPool2d` for volumes (N, C, D, H, W)."""
