"""Depthwise convolution on a CUDA device: every filter sees one channel. See `cnnkit.ops.conv`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnkit.backends import decline, dtype_name
from cnnkit.ops.conv import conv as op
from cnnkit.ops.rank import by_rank_2
from cnnkit.shapes import conv_output_shape
from cnnkit_cupy.chains import then_relu
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.direct import (
    BAND,
    BLOCKS,
    LIMIT,
    ROWS,
    TAPS,
    geometry,
    numbered,
    quadruples,
    side_by_side,
    summing,
    tiles,
)
from cnnkit_cupy.launcher import In, Kernel, Out, Scalar, Struct, declare, launch, strides
from cnnkit_cupy.types import TYPES

Array = Any
SIZES = (0, 3, 5)  # square filters, of stride and dilation 1, whose loops are unrolled; 0: any others
SHARED = 4 * TAPS * 32
MANY = "it serves filters of at most 49 elements that see one channel of several"
BY, CONVOLUTION, TILING = map(Struct, ("Strides", "Convolution", "Tiling"))
OPS = ("conv", "relu")

for _dtype, _t in TYPES.items():
    _view, _maybe = In(_dtype, strided=True), In(_dtype, optional=True)
    _after, _out = In(_dtype, strided=True, optional=True), Out(_dtype, channels_last=True)
    for _size in SIZES:
        for _n in (1, 4):
            declare(Kernel("depthwise", f"depthwise_conv2d<{_t}, {_size}, {_n}>",
                           (_view, _view, _maybe, _out, BY, BY, CONVOLUTION, TILING, Scalar("int32")),
                           shared=SHARED,
                           launch_bounds=(256, 2)),
                    Kernel("depthwise", f"depthwise_input_gradient<{_t}, {_size}, {_n}>",
                           (_view, _after, _view, _out, BY, BY, CONVOLUTION, TILING),
                           shared=SHARED, launch_bounds=(256, 2)),
                    ops=OPS)
        declare(Kernel("depthwise", f"depthwise_weight_gradient<{_t}, {_size}>",
                       (_view, _view, _after, Out("float32", optional=True), Out(_dtype),
                        Out(_dtype, optional=True), Out("uint32", optional=True), BY, BY, CONVOLUTION,
                        *(Scalar("int32"),) * 2), shared=1028 + (4 * 32 * 9 if _size == 3 else 0),
                       launch_bounds=(256, 2)),
                ops=OPS)


def tiling(N: int, size: tuple[int, int], channels: int, per_thread: int) -> tuple[dict[str, int], int]:
    """The structure Tiling, by which a block divides images of `size`, and how many parts the channels have.

    A thread computes `per_thread` channels.
    """
    lanes = next((n for n in (8, 16) if channels <= n * per_thread), 32) if per_thread == 1 else 8
    slots, slots_h = 256 // lanes, -(-size[0] // BAND)
    columns = next((n for n in (8, 16) if size[1] <= n or n == slots), 32)
    bands = max(1, min(slots // columns, slots_h))
    return {"quads": lanes, "columns": columns, "bands": bands,
            "images": max(1, min(slots // columns // bands, N)), "depth": 0, "rows": 0, "width": 0,
            "pitch": 0, "tiles_h": -(-slots_h // bands), "tiles_w": -(-size[1] // columns)
            }, -(-channels // (lanes * per_thread))


def _convolve(x: Array, weight: Array, bias: Array | None, needs: Sequence[bool], conv: Mapping[str, Any],
              relu: bool) -> tuple[Array, Callable | None] | Any:
    if weight.shape[1] != 1:
        return decline(MANY)
    stride, padding, dilation, groups = (conv[name] for name in ("stride", "padding", "dilation", "groups"))
    cuda_type, dtype, device = TYPES.get(dtype_name(x.dtype)), x.dtype, cuda_of(x)
    x_shape, weight_shape = tuple(x.shape), tuple(weight.shape)
    (N, C, H, W), (K, Cg, R, S) = x_shape, weight_shape
    N, K, P, Q = shape = conv_output_shape(x_shape, weight_shape, stride, padding, dilation, groups)
    if (cuda_type is None or not Cg == 1 < groups or K == 0 or R * S > TAPS or K > 65535 * 8
            or not numbered(x_shape, weight_shape, shape, padding, dilation, 1)):
        return decline(MANY)
    sizes = geometry(x_shape, weight_shape, shape, stride, padding, dilation, groups)
    size = R if R == S and R in SIZES and stride == (1, 1) and dilation == (1, 1) else 0

    def per_thread(array: Array) -> int:
        """How many channels of `array` a thread can read at once."""
        return 4 if K == C and quadruples(array, device, C) else 1

    plan, parts = tiling(N, (P, Q), K, per_thread(x))
    columns = N * -(-P // ROWS) * Q
    if max(columns, tiles(N, plan), tiles(N, tiling(N, (H, W), C, 1)[0])) >= LIMIT:
        return decline(f"images of shape {x_shape} have more tiles than a grid counts")
    y = device.empty(shape, dtype, x, channels_last=True)
    launch(device, f"depthwise_conv2d<{cuda_type}, {size}, {per_thread(x)}>", (tiles(N, plan), parts, 1), x,
           weight, side_by_side(bias), y, strides(x), strides(weight), sizes, plan, int(relu))
    if not any(needs):
        return y, None
    x = x if needs[1] or needs[2] else None
    weight = weight if needs[0] else None
    relu_output = y if relu else None

    def backward(dy: Array) -> tuple:
        dx = dweight = dbias = None
        if weight is not None:
            dx = device.empty(x_shape, dtype, dy, channels_last=True)
            plan, parts = tiling(N, (H, W), C, per_thread(dy))
            launch(device, f"depthwise_input_gradient<{cuda_type}, {size}, {per_thread(dy)}>",
                   (tiles(N, plan), parts, 1), dy, relu_output, weight,
                   dx, strides(dy), strides(weight), sizes, plan)
        if x is not None:
            lanes = next((n for n in (8, 16) if n >= K), 32)
            # taps: blocks of the kernel along the elements of a filter
            parts, taps = -(-K // lanes), {0: R * S, 3: 1, 5: 5}[size]
            slices = max(1, min(-(-columns // (256 // lanes)), BLOCKS // (parts * taps)))
            sums = summing(device, weight_shape, needs[2], slices, parts * taps, dy)
            launch(device, f"depthwise_weight_gradient<{cuda_type}, {size}>", (taps, parts, slices), x, dy,
                   relu_output, *sums, strides(x), strides(dy), sizes, lanes, columns)
            _, dweight, dbias, _ = sums
        return dx, dweight if needs[1] else None, dbias
    return y, backward


def conv2d(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool], **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv2d`; it serves groups of one channel and filters of at most 49 elements."""
    if x.ndim != 4:
        return by_rank_2(conv2d, (x, weight, bias), needs, conv)
    return _convolve(x, weight, bias, needs, conv, relu=False)


conv2d_relu = then_relu(op, _convolve)
