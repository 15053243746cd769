"""Pooling on Tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import cnnkit.ops.pool as ops
from cnnkit.autograd import Tensor, apply
from cnnkit.foreign import is_whole
from cnnkit.ops.core import Op
from cnnkit.shapes import pads, pair

__all__ = ["adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool2d", "max_pool2d"]


def max_pool2d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
               return_indices: bool = False) -> Any:
    """The largest pixel of each window.

    The gradient goes to the first largest pixel of a window, row by row; a NaN counts as larger than everything, padding as
    smaller (-inf).

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
        Return a pair: the result, and where in its H * W image each pixel is (int64).

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
    op = ops.max_pool2d_with_indices if return_indices else ops.max_pool2d
    return _pool(op, input, _window(kernel_size, stride, padding, dilation, ceil_mode))


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
    return _pool(ops.avg_pool2d, input, _averaged(kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override))


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The averages of as many windows as `output_size` says; ``1`` is global average pooling.

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
    return _pool(ops.adaptive_avg_pool2d, input, _adaptive(output_size))


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest pixels of as many windows as `output_size` says; ``1`` is global max pooling.

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
    op = ops.adaptive_max_pool2d_with_indices if return_indices else ops.adaptive_max_pool2d
    return _pool(op, input, _adaptive(output_size))


def _pool(op: Op, input: Tensor, window: dict) -> Any:
    if len(input.shape) != 3:
        return apply(op, input, **window)
    result = apply(op, input.unsqueeze(0), **window)
    return tuple(r.squeeze(0) for r in result) if isinstance(result, tuple) else result.squeeze(0)


def _cached(canonical: Callable[..., dict]) -> Callable[..., dict]:
    """Remember the answers, except for lists, which have no hash and are welcome."""
    cached = lru_cache(256, typed=True)(canonical)

    @wraps(canonical)
    def arguments(*values: Any) -> dict:
        try:
            return cached(*values)
        except TypeError:  # what else is wrong is said again
            return canonical(*values)
    return arguments


@_cached
def _window(kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any) -> dict:
    """The arguments as the op wants them."""
    return {**_sizes(kernel_size, stride, padding), "dilation": pair(dilation, "dilation"), "ceil_mode": bool(ceil_mode)}


@_cached
def _averaged(kernel_size: Any, stride: Any, padding: Any, ceil_mode: Any, count_include_pad: Any, divisor_override: Any) -> dict:
    return {**_sizes(kernel_size, stride, padding), "ceil_mode": bool(ceil_mode), "count_include_pad": bool(count_include_pad),
            "divisor_override": divisor_override}


@_cached
def _adaptive(output_size: Any) -> dict:
    size = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size, output_size)
    size = tuple(int(n) if is_whole(n) else n for n in size)
    if len(size) != 2 or not all(n is None or (type(n) is int and n > 0) for n in size):
        raise ValueError(f"output_size must be a positive integer, or a pair of them, with None for a size to keep; got "
                         f"{output_size!r}")
    return {"output_size": size}


def _sizes(kernel_size: Any, stride: Any, padding: Any) -> dict:
    if isinstance(padding, str):
        raise TypeError(f"padding of a pooling must be an integer, a pair (height, width) or a pair of pairs ((top, bottom), "
                        f"(left, right)); got {padding!r}. shapes.pads({padding!r}, size, kernel_size, stride) gives it in numbers")
    kernel_size = pair(kernel_size, "kernel_size")
    own = stride is None or (isinstance(stride, list) and not stride)
    return {"kernel_size": kernel_size, "stride": kernel_size if own else pair(stride, "stride"),
            "padding": pads(padding, (1, 1), kernel_size)}
