"""Pooling by averages and by powers."""

from __future__ import annotations

import math

import cnnkit.autograd.functions as T
import cnnkit.ops.conv as conv_ops
import cnnkit.ops.pool as ops
from cnnkit.autograd import Tensor, apply
from cnnkit.functional import pad
from cnnkit.onnx.importer.declaration import Ints, operator
from cnnkit.onnx.importer.operators.windows import Pads, pads_of, sizes
from cnnkit.shapes.windows import window_count


@operator("AveragePool")
def average_pool(x: Tensor, *, kernel_shape: Ints, auto_pad: str = "NOTSET", ceil_mode: int = 0,
                 count_include_pad: int = 0, dilations: Ints | None = None, pads: Ints | None = None,
                 strides: Ints | None = None) -> Tensor:
    rank = x.ndim - 2
    kernel, stride = sizes(kernel_shape, rank, "kernel_shape"), sizes(strides, rank, "strides")
    dilation = sizes(dilations, rank, "dilations")
    padding = pads_of(auto_pad, pads, x.shape[2:], kernel, stride, dilation)
    half = [k // 2 for k in kernel]
    if set(dilation) == {1} and all(min(pair) >= 0 and max(pair) <= n for pair, n in zip(padding, half)):
        return apply(ops.avg_pool, x, kernel_size=kernel, stride=stride, padding=padding,
                     ceil_mode=bool(ceil_mode), count_include_pad=bool(count_include_pad),
                     divisor_override=None)
    window = kernel, stride, padding, dilation, bool(ceil_mode)
    inside = T.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    if count_include_pad:  # padding counts, and what a last window hangs over does not
        inside = pad(inside, [n for pair in reversed(padding) for n in pair], value=1.0)
        window_of_ones = kernel, stride, ((0, 0),) * rank, dilation, bool(ceil_mode)
        return _sums(x, *window) / _sums(inside, *window_of_ones)
    return _sums(x, *window) / _sums(inside, *window)


@operator("LpPool")
def lp_pool(x: Tensor, *, kernel_shape: Ints, auto_pad: str = "NOTSET", ceil_mode: int = 0,
            dilations: Ints | None = None, p: int = 2, pads: Ints | None = None,
            strides: Ints | None = None) -> Tensor:
    rank = x.ndim - 2
    kernel, stride = sizes(kernel_shape, rank, "kernel_shape"), sizes(strides, rank, "strides")
    dilation = sizes(dilations, rank, "dilations")
    padding = pads_of(auto_pad, pads, x.shape[2:], kernel, stride, dilation)
    return _sums(T.abs(x) ** float(p), kernel, stride, padding, dilation, bool(ceil_mode)) ** (1 / p)


def _sums(x: Tensor, kernel: Ints, stride: Ints, padding: Pads, dilation: Ints, ceil_mode: bool) -> Tensor:
    """The sum of each window, as a convolution with ones of images that have one channel each."""
    size = x.shape[2:]
    if ceil_mode:  # pad for the windows that hang over
        counts = [window_count(n, k, s, before, after, d, True)
                  for n, k, s, (before, after), d in zip(size, kernel, stride, padding, dilation)]
        padding = tuple((before, max(after, (c - 1) * s + d * (k - 1) + 1 - n - before))
                        for n, k, s, (before, after), d, c in
                        zip(size, kernel, stride, padding, dilation, counts))
    ones = T.ones((1, 1, *kernel), dtype=x.dtype, device=x.device)
    y = apply(conv_ops.conv, x.reshape((math.prod(x.shape[:2]), 1, *size)), ones, None, stride=stride,
              padding=padding, dilation=dilation, groups=1)
    return y.reshape((*x.shape[:2], *y.shape[2:]))
