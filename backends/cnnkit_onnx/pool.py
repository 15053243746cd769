"""Pooling: MaxPool, AveragePool and their global forms."""

from __future__ import annotations

from typing import Any

from cnnkit.backends import decline
from cnnkit.shapes import pool_output_shape
from cnnkit_onnx.conv import Pads, pads_of
from cnnkit_onnx.drawing import drawn, op, var_of

Array = Any


def _beyond(x: Array, kernel: tuple, stride: tuple, padding: Pads, dilation: tuple) -> tuple[Pads, bool]:
    """The padding that makes the windows of ``ceil_mode`` fit, and whether ONNX has as many of them."""
    size = pool_output_shape(x.shape, kernel, stride, padding, dilation, True)[2:]
    ends, same = [], True
    for n, count, k, s, (before, after), d in zip(x.shape[2:], size, kernel, stride, padding, dilation):
        reach = d * (k - 1) + 1
        same = same and count == -(-(n + before + after - reach) // s) + 1
        ends.append((before, max(after, (count - 1) * s + reach - n - before)))
    return tuple(ends), same


def max_pool(x: Array, *, kernel_size: tuple, stride: tuple, padding: Pads, dilation: tuple,
             ceil_mode: bool) -> Any:
    """MaxPool."""
    if ceil_mode:
        fitting, same = _beyond(x, kernel_size, stride, padding, dilation)
        if not same:  # PyTorch has no window that begins beyond the image
            padding, ceil_mode = fitting, False
    return drawn(op.max_pool(var_of(x), kernel_shape=kernel_size, strides=stride, pads=pads_of(padding),
                             dilations=dilation, ceil_mode=int(ceil_mode))[0])


def avg_pool(x: Array, *, kernel_size: tuple, stride: tuple, padding: Pads, ceil_mode: bool,
             count_include_pad: bool, divisor_override: int | None) -> Any:
    """AveragePool."""
    if divisor_override is not None:
        return decline("a divisor of its own")
    if ceil_mode:
        fitting, _ = _beyond(x, kernel_size, stride, padding, (1,) * len(kernel_size))
        if fitting != tuple(map(tuple, padding)):
            return decline("windows that hang over the end, which runtimes count differently")
    return drawn(op.average_pool(var_of(x), kernel_shape=kernel_size, strides=stride, pads=pads_of(padding),
                                 count_include_pad=int(count_include_pad and any(map(any, padding)))))


def adaptive_avg_pool(x: Array, *, output_size: tuple[int | None, ...]) -> Any:
    """GlobalAveragePool, or AveragePool where the windows are equal."""
    return _adaptive(x, output_size, op.global_average_pool, op.average_pool)


def adaptive_max_pool(x: Array, *, output_size: tuple[int | None, ...]) -> Any:
    """GlobalMaxPool, or MaxPool where the windows are equal."""
    return _adaptive(x, output_size, op.global_max_pool, lambda *args, **kw: op.max_pool(*args, **kw)[0])


def _adaptive(x: Array, output_size: tuple[int | None, ...], of_all: Any, of_windows: Any) -> Any:
    if set(output_size) == {1}:
        return drawn(of_all(var_of(x)))
    sizes = [(n, n if wanted is None else wanted) for n, wanted in zip(x.shape[2:], output_size)]
    if any(n % count for n, count in sizes):
        return decline("windows of different lengths")
    kernel = [n // count for n, count in sizes]
    return x if set(kernel) == {1} else drawn(of_windows(var_of(x), kernel_shape=kernel, strides=kernel))
