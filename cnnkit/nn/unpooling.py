"""Max unpooling layers, along one, two and three axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import cnnkit.functional.unpooling as F
from cnnkit.autograd import Tensor
from cnnkit.nn.module import Module
from cnnkit.shapes import per_axis

__all__ = ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"]


class _MaxUnpool(Module):
    rank: ClassVar[int]
    function: ClassVar[Callable]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0):
        super().__init__()
        self.kernel_size = per_axis(kernel_size, "kernel_size", 1, self.rank)
        self.stride = self.kernel_size if stride is None else per_axis(stride, "stride", 1, self.rank)
        self.padding = per_axis(padding, "padding", 0, self.rank)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return type(self).function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Puts the maxima of signals (N, C, L) back; see `MaxUnpool2d`."""

    rank: ClassVar[int] = 1
    function: ClassVar[Callable[..., Any]] = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """Puts maxima back where `MaxPool2d` found them; parameters as in `cnnkit.functional.max_unpool2d`.

    >>> import cnnkit
    >>> y, indices = cnnkit.nn.MaxPool2d(2, return_indices=True)(cnnkit.tensor([[[1.0, 2.0], [4.0, 3.0]]]))
    >>> MaxUnpool2d(2)(y, indices)
    tensor([[[0., 0.],
             [4., 0.]]])
    """

    rank: ClassVar[int] = 2
    function: ClassVar[Callable[..., Any]] = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """Puts the maxima of volumes (N, C, D, H, W) back; see `MaxUnpool2d`."""

    rank: ClassVar[int] = 3
    function: ClassVar[Callable[..., Any]] = staticmethod(F.max_unpool3d)
