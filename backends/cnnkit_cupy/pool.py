"""Pooling on a CUDA device: which kernel, with which windows. Ops and attributes are those of `cnnkit.ops.pool`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import Any

from cnnkit.backends import backend_of, dtype_name
from cnnkit.shapes import pool2d_output_shape
from cnnkit_cupy.launcher import In, Kernel, Out, Struct, declare, launch, strides
from cnnkit_cupy.types import TYPES

Array = Any
SMALL, LARGE = ("uint8", "unsigned char"), ("int32", "int")  # an argmax: one byte where the window has at most 255 elements
THREADS = 256
LIMIT = 2**31 - 2 * THREADS  # elements from which on an int cannot number them

VIEW, WINDOWS = Struct("Strides"), Struct("Windows")
for (_dtype, _t), _i in product(TYPES.items(), ("int", "long long")):
    declare(Kernel("pool", f"avg_pool2d<{_t}, {_i}>", (In(_dtype, True), Out(_dtype), VIEW, WINDOWS)),
            Kernel("pool", f"avg_pool2d_backward<{_t}, {_i}>", (In(_dtype, True), Out(_dtype), VIEW, WINDOWS)),
            ops=("avg_pool2d",))
    for _arg, _a in (SMALL, LARGE):
        declare(Kernel("pool", f"max_pool2d<{_t}, {_a}, {_i}>",
                       (In(_dtype, True), Out(_dtype), Out(_arg, True), Out("int64", True), VIEW, WINDOWS)),
                Kernel("pool", f"max_pool2d_backward<{_t}, {_a}, {_i}>",
                       (In(_dtype, True), In(_arg), Out(_dtype), VIEW, WINDOWS)),
                ops=("max_pool2d", "max_pool2d_with_indices"))


def index_type(*shapes: Sequence[int]) -> str:
    """What numbers the elements of these shapes: int, or long long where it would overflow."""
    return "int" if all(prod(shape) < LIMIT for shape in shapes) else "long long"


def _windows(x: Array, shape: Sequence[int], kernel_size: tuple, stride: tuple, padding: tuple, dilation: tuple = (1, 1),
             include_pad: bool = True, divisor: int = 0) -> dict[str, int]:
    (top, bottom), (left, right) = padding
    return {"C": x.shape[1], "H": x.shape[2], "W": x.shape[3], "P": shape[2], "Q": shape[3], "R": kernel_size[0],
            "S": kernel_size[1], "stride_h": stride[0], "stride_w": stride[1], "dilation_h": dilation[0],
            "dilation_w": dilation[1], "top": top, "bottom": bottom, "left": left, "right": right,
            "include_pad": int(include_pad), "divisor": divisor}


def _each(device: Any, name: str, count: int, windows: dict, view: Array, *arrays: Array | None) -> None:
    """Launch with one thread for each of `count` elements."""
    launch(device, name, (-(-count // THREADS), 1, 1), *arrays, strides(view), {**windows, "count": count})


def _max(x: Array, needs: Sequence[bool], with_indices: bool, kernel_size: tuple, stride: tuple, padding: tuple, dilation: tuple,
         ceil_mode: bool) -> Any:
    kind = TYPES.get(dtype_name(x.dtype))
    if kind is None:
        return NotImplemented
    device = backend_of(x).cuda
    shape = pool2d_output_shape(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    windows = _windows(x, shape, kernel_size, stride, padding, dilation)
    arg_dtype, arg = SMALL if prod(kernel_size) <= 255 else LARGE
    instance = f"<{kind}, {arg}, {index_type(x.shape, shape)}>"
    y = device.empty(shape, x.dtype, x)
    argmax = device.empty(shape, arg_dtype, x) if needs[0] else None
    indices = device.empty(shape, "int64", x) if with_indices else None
    _each(device, f"max_pool2d{instance}", prod(shape), windows, x, x, y, argmax, indices)
    size = tuple(x.shape)

    def backward(dy: Array) -> tuple:
        dx = device.empty(size, dy.dtype, dy)
        _each(device, f"max_pool2d_backward{instance}", prod(size), windows, dy, dy, argmax, dx)
        return (dx,)
    return (y, indices), backward if needs[0] else None


def max_pool2d(x: Array, *, needs: Sequence[bool], **attrs: Any) -> Any:
    """See `cnnkit.ops.pool.max_pool2d`."""
    result = _max(x, needs, False, **attrs)
    return result if result is NotImplemented else (result[0][0], result[1])


def max_pool2d_with_indices(x: Array, *, needs: Sequence[bool], **attrs: Any) -> Any:
    """See `cnnkit.ops.pool.max_pool2d_with_indices`."""
    return _max(x, needs, True, **attrs)


def avg_pool2d(x: Array, *, needs: Sequence[bool], kernel_size: tuple, stride: tuple, padding: tuple, ceil_mode: bool,
               count_include_pad: bool, divisor_override: int | None) -> tuple[Array, Callable | None] | Any:
    """See `cnnkit.ops.pool.avg_pool2d`."""
    kind = TYPES.get(dtype_name(x.dtype))
    if kind is None or abs(divisor_override or 0) >= 1 << 24:  # beyond, an int is not exact as a float
        return NotImplemented
    device = backend_of(x).cuda
    shape = pool2d_output_shape(x.shape, kernel_size, stride, padding, (1, 1), ceil_mode)
    windows = _windows(x, shape, kernel_size, stride, padding, include_pad=count_include_pad, divisor=divisor_override or 0)
    instance = f"<{kind}, {index_type(x.shape, shape)}>"
    y = device.empty(shape, x.dtype, x)
    _each(device, f"avg_pool2d{instance}", prod(shape), windows, x, x, y)
    size = tuple(x.shape)

    def backward(dy: Array) -> tuple:
        dx = device.empty(size, dy.dtype, dy)
        _each(device, f"avg_pool2d_backward{instance}", prod(size), windows, dy, dy, dx)
        return (dx,)
    return y, backward if needs[0] else None
