"""Pooling on Tensors, along one, two and three axes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import cnnkit.ops.adaptive_pool as adaptive
import cnnkit.ops.pool as ops
from cnnkit.autograd import Tensor, apply
from cnnkit.foreign import is_whole
from cnnkit.ops.core import Op
from cnnkit.shapes import pads, per_axis
from cnnkit.shapes.windows import AXES

__all__ = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
           "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
           "max_pool1d", "max_pool2d", "max_pool3d"]


def max_pool2d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:
    """The largest pixel of each window.

    The gradient goes to the first largest pixel of a window, row by row; a NaN counts as larger than
    everything, padding as smaller (-inf).

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
        Images, or one image.
    kernel_size : int or pair of int
        Height and width of the windows.
    stride : int or pair of int, optional
        Pixels from one window to the next; by default `kernel_size`.
    padding : int, pair, or pair of pairs
        ``(height, width)`` or ``((top, bottom), (left, right))``, at most half of what a window spans.
    dilation : int or pair of int
        Pixels from one element of a window to the next.
    ceil_mode : bool
        Keep a last window that hangs over the end.
    return_indices : bool
        Return a pair: the result, and each pixel's position in its H * W image (int64).

    Returns
    -------
    Tensor, (N, C, P, Q) or (C, P, Q), or a pair of them

    Raises
    ------
    ValueError, TypeError
        If shapes, dtypes or arguments do not fit; the message says what would.

    >>> import cnnkit
    >>> max_pool2d(cnnkit.tensor([[[[1.0, 2.0, 0.0, 1.0], [4.0, 3.0, 5.0, 0.0]]]]), 2)
    tensor([[[[4., 5.]]]])
    """
    return _maximum(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool2d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Tensor:
    """The average of each window.

    Parameters
    ----------
    input, kernel_size, stride, padding, ceil_mode
        As in `max_pool2d`; padding is zeros.
    count_include_pad : bool
        Count padding as pixels; else divide by the number of pixels of the image alone.
    divisor_override : int, optional
        Divide by this instead of the number of pixels.

    Returns
    -------
    Tensor, (N, C, P, Q) or (C, P, Q)

    Raises
    ------
    ValueError, TypeError
        If shapes, dtypes or arguments do not fit; the message says what would.

    >>> import cnnkit
    >>> avg_pool2d(cnnkit.tensor([[[[1.0, 2.0, 0.0, 1.0], [4.0, 3.0, 5.0, 0.0]]]]), 2)
    tensor([[[[2.5, 1.5]]]])
    """
    return _average(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The averages of `output_size` windows; ``1`` is global average pooling.

    Window p holds the rows from ``floor(p H / P)`` up to ``ceil((p + 1) H / P)``, and so along the width.

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
        Images, or one image.
    output_size : int, or pair of int or None
        ``(P, Q)``; ``None`` keeps the input's size.

    Returns
    -------
    Tensor, (N, C, P, Q) or (C, P, Q)

    Raises
    ------
    ValueError, TypeError
        If shapes, dtypes or arguments do not fit.

    >>> import cnnkit
    >>> adaptive_avg_pool2d(cnnkit.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 1)
    tensor([[[[2.5]]]])
    """
    return _pool(2, adaptive.adaptive_avg_pool, input, _adaptive(2, output_size))


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest pixels of `output_size` windows; ``1`` is global max pooling.

    Parameters
    ----------
    input, output_size
        As in `adaptive_avg_pool2d`.
    return_indices : bool
        As in `max_pool2d`.

    Returns
    -------
    Tensor, (N, C, P, Q) or (C, P, Q), or a pair of them

    Raises
    ------
    ValueError, TypeError
        If shapes, dtypes or arguments do not fit.

    >>> import cnnkit
    >>> adaptive_max_pool2d(cnnkit.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), (None, 1))
    tensor([[[[2.],
              [4.]]]])
    """
    return _adaptive_maximum(2, input, output_size, return_indices)


def max_pool1d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:
    """The largest element of each window of signals (N, C, L), or one (C, L); see `max_pool2d`.

    >>> import cnnkit
    >>> max_pool1d(cnnkit.tensor([[[1.0, 3.0, 2.0, 5.0]]]), 2)
    tensor([[[3., 5.]]])
    """
    return _maximum(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
               count_include_pad: bool = True) -> Tensor:
    """The average of each window of signals (N, C, L), or one (C, L); see `avg_pool2d`.

    >>> import cnnkit
    >>> avg_pool1d(cnnkit.tensor([[[1.0, 3.0, 2.0, 5.0]]]), 2)
    tensor([[[2. , 3.5]]])
    """
    return _average(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The averages of `output_size` windows of signals (N, C, L), or one (C, L); see `adaptive_avg_pool2d`.

    >>> import cnnkit
    >>> adaptive_avg_pool1d(cnnkit.tensor([[[1.0, 3.0, 2.0, 5.0]]]), 1)
    tensor([[[2.75]]])
    """
    return _pool(1, adaptive.adaptive_avg_pool, input, _adaptive(1, output_size))


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of `output_size` windows of signals (N, C, L), or one (C, L); see `adaptive_max_pool2d`.

    >>> import cnnkit
    >>> adaptive_max_pool1d(cnnkit.tensor([[[1.0, 3.0, 2.0, 5.0]]]), 1)
    tensor([[[5.]]])
    """
    return _adaptive_maximum(1, input, output_size, return_indices)


def max_pool3d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:
    """The largest element of each window of volumes (N, C, D, H, W), or one (C, D, H, W); see `max_pool2d`.

    >>> import cnnkit
    >>> max_pool3d(cnnkit.tensor([[[[[1.0, 3.0], [2.0, 5.0]]]]]), (1, 2, 2))
    tensor([[[[[5.]]]]])
    """
    return _maximum(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool3d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Tensor:
    """The average of each window of volumes (N, C, D, H, W), or one (C, D, H, W); see `avg_pool2d`.

    >>> import cnnkit
    >>> avg_pool3d(cnnkit.tensor([[[[[1.0, 3.0], [2.0, 5.0]]]]]), (1, 2, 2))
    tensor([[[[[2.75]]]]])
    """
    return _average(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """The averages of `output_size` windows of volumes (N, C, D, H, W); see `adaptive_avg_pool2d`.

    >>> import cnnkit
    >>> adaptive_avg_pool3d(cnnkit.tensor([[[[[1.0, 3.0], [2.0, 5.0]]]]]), 1)
    tensor([[[[[2.75]]]]])
    """
    return _pool(3, adaptive.adaptive_avg_pool, input, _adaptive(3, output_size))


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of `output_size` windows of volumes (N, C, D, H, W); see `adaptive_max_pool2d`.

    >>> import cnnkit
    >>> adaptive_max_pool3d(cnnkit.tensor([[[[[1.0, 3.0], [2.0, 5.0]]]]]), 1)
    tensor([[[[[5.]]]]])
    """
    return _adaptive_maximum(3, input, output_size, return_indices)


# -- arguments in the form that the ops take -----------------------------------------------------------------

def _maximum(rank: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
             ceil_mode: bool, return_indices: bool) -> Any:
    op = ops.max_pool_with_indices if return_indices else ops.max_pool
    return _pool(rank, op, input, _window(rank, kernel_size, stride, padding, dilation, ceil_mode))


def _average(rank: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
             count_include_pad: bool, divisor_override: int | None) -> Tensor:
    window = _averaged(rank, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _pool(rank, ops.avg_pool, input, window)


def _adaptive_maximum(rank: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    op = adaptive.adaptive_max_pool_with_indices if return_indices else adaptive.adaptive_max_pool
    return _pool(rank, op, input, _adaptive(rank, output_size))


def _pool(rank: int, op: Op, input: Tensor, window: dict) -> Any:
    if len(input.shape) != rank + 1:
        return apply(op, input, **window)
    result = apply(op, input.unsqueeze(0), **window)
    return tuple(r.squeeze(0) for r in result) if isinstance(result, tuple) else result.squeeze(0)


def _cached(canonical: Callable[..., dict]) -> Callable[..., dict]:
    """Cache the result, except for lists, which have no hash but are accepted."""
    cached = lru_cache(256, typed=True)(canonical)

    @wraps(canonical)
    def arguments(*values: Any) -> dict:
        try:
            return cached(*values)
        except TypeError:  # other errors are raised again here
            return canonical(*values)
    return arguments


@_cached
def _window(rank: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any) -> dict:
    return {**_sizes(rank, kernel_size, stride, padding), "dilation": per_axis(dilation, "dilation", 1, rank),
            "ceil_mode": bool(ceil_mode)}


@_cached
def _averaged(rank: int, kernel_size: Any, stride: Any, padding: Any, ceil_mode: Any, count_include_pad: Any,
              divisor_override: Any) -> dict:
    return {**_sizes(rank, kernel_size, stride, padding), "ceil_mode": bool(ceil_mode),
            "count_include_pad": bool(count_include_pad), "divisor_override": divisor_override}


@_cached
def _adaptive(rank: int, output_size: Any) -> dict:
    size = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * rank
    size = tuple(int(n) if is_whole(n) else n for n in size)
    if len(size) != rank or not all(n is None or (type(n) is int and n > 0) for n in size):
        tuple_form = {1: "one in a tuple", 2: "a pair of them"}.get(rank, f"{rank} of them")
        raise ValueError(f"output_size must be a positive integer, or {tuple_form}, "
                         f"with None for a size to keep; got {output_size!r}")
    return {"output_size": size}


def _sizes(rank: int, kernel_size: Any, stride: Any, padding: Any) -> dict:
    if isinstance(padding, str):
        forms = ("a pair (height, width) or a pair of pairs ((top, bottom), (left, right))" if rank == 2
                 else f"one for each axis ({', '.join(AXES[rank])}) or a pair (before, after) for each")
        raise TypeError(f"padding of a pooling must be an integer, {forms}; got {padding!r}. "
                        f"shapes.pads({padding!r}, size, kernel_size, stride) gives it in numbers")
    kernel_size = per_axis(kernel_size, "kernel_size", 1, rank)
    is_default = stride is None or (isinstance(stride, list | tuple) and not stride)
    return {"kernel_size": kernel_size,
            "stride": kernel_size if is_default else per_axis(stride, "stride", 1, rank),
            "padding": pads(padding, (1,) * rank, kernel_size, rank=rank)}
