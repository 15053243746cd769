"""Convolution on a CUDA device: grids, slices of the weight gradient, and what is declined. See `cnnkit.ops.conv`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from cnnkit.backends import backend_of, dtype_name
from cnnkit.shapes import conv2d_output_shape
from cnnkit_cupy.launcher import In, Kernel, Out, Scalar, Struct, declare, launch, strides
from cnnkit_cupy.types import TYPES

Array = Any
TILE, DEPTH, THREADS = 64, 16, 256    # as Tiling in conv.cu
SHARED = 2 * DEPTH * (TILE + 4) * 4
LIMIT = 2**31 - 2**16                 # rows, columns and depth are numbered by int, and tiles hang over the edge
BLOCKS = 256                          # as many blocks as the weight gradient is cut into: a few for each multiprocessor
SHORTEST = 1024                       # pixels that a slice has at least: below, adding slices up costs more than it wins

BY, SHAPE = Struct("Strides"), Struct("Shape")
for _dtype, _t in TYPES.items():
    _view = In(_dtype, strided=True)
    _tiled = {"shared": SHARED, "launch_bounds": (256, 2)}
    declare(
        Kernel("conv", f"conv2d<{_t}>", (_view, _view, In(_dtype, optional=True), Out(_dtype), BY, BY, SHAPE), **_tiled),
        Kernel("conv", f"conv2d_input_gradient<{_t}>", (_view, _view, Out(_dtype), BY, BY, SHAPE), **_tiled),
        Kernel("conv", f"conv2d_weight_gradient<{_t}>", (_view, _view, Out("float32"), BY, BY, SHAPE), **_tiled),
        Kernel("conv", f"conv2d_add_slices<{_t}>", (In("float32"), Out(_dtype), Scalar("int64"), Scalar("int32"))),
        Kernel("conv", f"conv2d_bias_gradient<{_t}>", (_view, Out(_dtype), BY, SHAPE), shared=4 * THREADS),
        ops=("conv2d",))


def slices(rows: int, columns: int, pixels: int, groups: int) -> int:
    """Into how many slices the weight gradient's sum over the pixels is cut: by shapes only, so that bits repeat anywhere.

    >>> slices(8, 9, 32 * 28 * 28, 1), slices(512, 4608, 32 * 7 * 7, 1)
    (25, 1)
    """
    blocks = -(-rows // TILE) * -(-columns // TILE) * groups
    return max(1, min(BLOCKS // blocks, -(-pixels // SHORTEST), 65535 // groups))


def _grid(rows: int, columns: int, depth_blocks: int) -> tuple[int, int, int]:
    return -(-columns // TILE), -(-rows // TILE), depth_blocks


def conv2d(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool], stride: tuple, padding: tuple, dilation: tuple,
           groups: int) -> tuple[Array, Callable | None] | Any:
    """See `cnnkit.ops.conv.conv2d`."""
    kind, dtype = TYPES.get(dtype_name(x.dtype)), x.dtype
    (N, C, H, W), (K, _, R, S) = x.shape, weight.shape
    _, _, P, Q = shape = conv2d_output_shape(x.shape, weight.shape, stride, padding, dilation, groups)
    reach = [(n + before + after) + size * d for n, (before, after), size, d in zip((H, W), padding, (R, S), dilation)]
    numbered = (N * P * Q, N * H * W, C * R * S, K * R * S, *reach)
    if kind is None or 0 in (C, K) or groups > 65535 or max(K, C) > 65535 * TILE or max(numbered) >= LIMIT:
        return NotImplemented
    device = backend_of(x).cuda
    geometry = {"N": N, "C": C, "H": H, "W": W, "K": K, "R": R, "S": S, "P": P, "Q": Q, "stride_h": stride[0],
                "stride_w": stride[1], "top": padding[0][0], "left": padding[1][0], "dilation_h": dilation[0],
                "dilation_w": dilation[1], "groups": groups, "slices": 1}
    y = device.empty(shape, dtype, x)
    if bias is not None and bias.strides != (bias.dtype.itemsize,):
        bias = backend_of(x).namespace.asarray(bias, copy=True)
    launch(device, f"conv2d<{kind}>", _grid(K // groups, N * P * Q, groups), x, weight, bias, y, strides(x), strides(weight),
           geometry)
    if not any(needs):
        return y, None
    x_shape, weight_shape = tuple(x.shape), tuple(weight.shape)
    x = x if needs[1] else None  # held for the weight's gradient alone, and the weight for the input's
    weight = weight if needs[0] else None

    def backward(dy: Array) -> tuple:
        dx = dweight = dbias = None
        if needs[0]:
            dx = device.empty(x_shape, dtype, dy)
            launch(device, f"conv2d_input_gradient<{kind}>", _grid(C // groups, N * H * W, groups), dy, weight, dx, strides(dy),
                   strides(weight), geometry)
        if needs[1]:
            dweight = _weight_gradient(device, kind, x, dy, weight_shape, geometry)
        if needs[2]:
            dbias = device.empty((K,), dtype, dy)
            launch(device, f"conv2d_bias_gradient<{kind}>", (K, 1, 1), dy, dbias, strides(dy), geometry)
        return dx, dweight, dbias
    return y, backward


def _weight_gradient(device: Any, kind: str, x: Array, dy: Array, shape: tuple[int, ...], geometry: dict[str, int]) -> Array:
    """Partial sums over slices of the pixels, in float32, and their sum in the order of the slices."""
    rows, columns, pixels = shape[0] // geometry["groups"], prod(shape[1:]), dy.shape[0] * dy.shape[2] * dy.shape[3]
    count = slices(rows, columns, pixels, geometry["groups"])
    partial = device.empty((count, *shape), "float32", dy)
    launch(device, f"conv2d_weight_gradient<{kind}>", _grid(rows, columns, geometry["groups"] * count), x, dy, partial, strides(x),
           strides(dy), {**geometry, "slices": count})
    if count == 1 and kind == "float":
        return partial[0]
    dweight = device.empty(shape, x.dtype, dy)
    launch(device, f"conv2d_add_slices<{kind}>", (-(-prod(shape) // THREADS), 1, 1), partial, dweight, prod(shape), count)
    return dweight
