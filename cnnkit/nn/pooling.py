"""Pooling layers, along one, two and three axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import cnnkit.functional.pooling as F
from cnnkit.autograd import Tensor
from cnnkit.nn.module import Module

__all__ = ["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d",
           "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d",
           "AvgPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d"]


class _MaxPool(Module):
    kernel_size: Any
    stride: Any
    dilation: Any
    padding: Any
    ceil_mode: bool
    return_indices: bool

    function: ClassVar[Callable]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
                 return_indices: bool = False, ceil_mode: bool = False):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        return type(self).function(input, self.kernel_size, self.stride, self.padding, self.dilation,
                                   self.ceil_mode, self.return_indices)

    def extra_repr(self) -> str:
        return (f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
                f"dilation={self.dilation}, ceil_mode={self.ceil_mode}")


class MaxPool1d(_MaxPool):
    """The largest element of each window of signals (N, C, L); parameters as in `functional.max_pool2d`.

    >>> import cnnkit
    >>> MaxPool1d(2)(cnnkit.tensor([[[1.0, 2.0, 4.0, 3.0]]]))
    tensor([[[2., 4.]]])
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest pixel of each window; parameters as in `cnnkit.functional.max_pool2d`.

    >>> import cnnkit
    >>> MaxPool2d(2)(cnnkit.tensor([[[[1.0, 2.0], [4.0, 3.0]]]]))
    tensor([[[[4.]]]])
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest element of each window of volumes; parameters as in `functional.max_pool2d`.

    >>> import cnnkit
    >>> MaxPool3d((1, 2, 2))(cnnkit.tensor([[[[[1.0, 2.0], [4.0, 3.0]]]]]))
    tensor([[[[[4.]]]]])
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(F.max_pool3d)


class AvgPool1d(Module):
    """The average of each window of signals (N, C, L); parameters as in `cnnkit.functional.avg_pool2d`.

    >>> import cnnkit
    >>> AvgPool1d(2)(cnnkit.tensor([[[1.0, 2.0, 4.0, 3.0]]]))
    tensor([[[1.5, 3.5]]])
    """

    kernel_size: tuple[Any, ...]
    stride: tuple[Any, ...]
    ceil_mode: bool
    count_include_pad: bool

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True):
        super().__init__()
        self.kernel_size, self.stride = (v if isinstance(v, tuple) else (v,)
                                         for v in (kernel_size, kernel_size if stride is None else stride))
        self.padding: tuple[Any, ...] = padding if isinstance(padding, tuple) else (padding,)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding,
                            self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    kernel_size: Any
    stride: Any
    ceil_mode: bool
    count_include_pad: bool
    padding: Any

    function: ClassVar[Callable]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True, divisor_override: int | None = None):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                                   self.count_include_pad, self.divisor_override)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The average of each window; parameters as in `cnnkit.functional.avg_pool2d`.

    >>> import cnnkit
    >>> AvgPool2d(2)(cnnkit.tensor([[[[1.0, 2.0], [4.0, 3.0]]]]))
    tensor([[[[2.5]]]])
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The average of each window of volumes (N, C, D, H, W); parameters as in `cnnkit.functional.avg_pool2d`.

    >>> import cnnkit
    >>> AvgPool3d((1, 2, 2))(cnnkit.tensor([[[[[1.0, 2.0], [4.0, 3.0]]]]]))
    tensor([[[[[2.5]]]]])
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(F.avg_pool3d)


class _AdaptiveAvgPool(Module):
    function: ClassVar[Callable]

    def __init__(self, output_size: Any):
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The averages of `output_size` windows of signals (N, C, L).

    >>> import cnnkit
    >>> AdaptiveAvgPool1d(1)(cnnkit.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
    tensor([[[2.5]]])
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The averages of `output_size` windows; ``1`` is global average pooling.

    >>> import cnnkit
    >>> AdaptiveAvgPool2d(1)(cnnkit.tensor([[[[1.0, 2.0], [4.0, 3.0]]]]))
    tensor([[[[2.5]]]])
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The averages of `output_size` windows of volumes (N, C, D, H, W).

    >>> import cnnkit
    >>> AdaptiveAvgPool3d(1)(cnnkit.tensor([[[[[1.0, 2.0], [4.0, 3.0]]]]]))
    tensor([[[[[2.5]]]]])
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPool(Module):
    output_size: Any
    return_indices: bool

    function: ClassVar[Callable]

    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        return type(self).function(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest elements of `output_size` windows of signals (N, C, L).

    >>> import cnnkit
    >>> AdaptiveMaxPool1d(1)(cnnkit.tensor([[[1.0, 2.0, 4.0, 3.0]]]))
    tensor([[[4.]]])
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest pixels of `output_size` windows; ``1`` is global max pooling.

    >>> import cnnkit
    >>> AdaptiveMaxPool2d(1)(cnnkit.tensor([[[[1.0, 2.0], [4.0, 3.0]]]]))
    tensor([[[[4.]]]])
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest elements of `output_size` windows of volumes (N, C, D, H, W).

    >>> import cnnkit
    >>> AdaptiveMaxPool3d(1)(cnnkit.tensor([[[[[1.0, 2.0], [4.0, 3.0]]]]]))
    tensor([[[[[4.]]]]])
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(F.adaptive_max_pool3d)
