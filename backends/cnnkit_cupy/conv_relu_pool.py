"""Convolution with few channels, ReLU and max pooling in one, on a CUDA device: the guide's networks begin with it.

The full-size activation is never written, and neither is its gradient: one byte for each window says which element it took, or
that ReLU stopped it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnkit.shapes import pool2d_output_shape
from cnnkit_cupy.direct import BY, CONVOLUTION, POOLING, ROOM, SIZES, TILING, Direct, contiguous_bias, quads_of, tiles, tiling
from cnnkit_cupy.launcher import In, Kernel, Out, declare, launch, strides
from cnnkit_cupy.types import TYPES

Array = Any
STOPPED = 255  # as in few_channels.cuh: elements of a window have smaller numbers

for _dtype, _t in TYPES.items():
    _view = In(_dtype, strided=True)
    declare(*(Kernel("conv_relu_pool", f"conv2d_relu_max_pool2d<{_t}, {_size}>",
                     (_view, _view, In(_dtype, optional=True), Out(_dtype, channels_last=True),
                      Out("uint8", optional=True, channels_last=True), BY, BY, CONVOLUTION, POOLING, TILING),
                     shared=ROOM, launch_bounds=(256, 2)) for _size in SIZES),
            ops=(("conv2d", "relu", "max_pool2d"),))


def conv2d_relu_max_pool2d(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool],
                           attrs: Sequence[Mapping[str, Any]]) -> Any:
    """`cnnkit.ops.conv.conv2d`, then ``relu``, then `cnnkit.ops.pool.max_pool2d` with windows side by side, without padding."""
    conv, _, pool = attrs
    plan, window = Direct(x, weight, conv), pool["kernel_size"]
    if (not plan.served or pool["stride"] != window or pool["padding"] != ((0, 0), (0, 0)) or pool["dilation"] != (1, 1)
            or window[0] * window[1] > STOPPED or max(plan.shape[2:]) >= 2**24):  # 2^24: by_height is exact up to there
        return NotImplemented
    N, K, P, Q = shape = pool2d_output_shape(plan.shape, window, window, pool["padding"], (1, 1), pool["ceil_mode"])
    size = plan.size if window == (2, 2) else 0
    groups, channels, (R, S, *_) = plan.geometry["groups"], plan.weight_shape[1], plan.taps
    quads = quads_of(K // groups, R * S * (1 if size else channels))  # in general a block needs all channels at a time
    divided = tiling(N, (P * window[0], Q * window[1]), channels, quads, 256 // quads, window, plan.taps,
                     least=1 if size else channels)
    if divided is None:
        return NotImplemented
    pooling = {"height": window[0], "width": window[1], "P": P, "Q": Q, "by_height": 2**32 // window[0] + 1,
               "by_width": 2**32 // window[1] + 1}
    y = plan.device.empty(shape, plan.dtype, x, channels_last=True)
    argmax = plan.device.empty(shape, "uint8", x, channels_last=True) if any(needs) else None
    launch(plan.device, f"conv2d_relu_max_pool2d<{plan.kind}, {size}>", (tiles(N, divided), groups, 1), x, weight,
           contiguous_bias(bias), y, argmax, strides(x), strides(weight), plan.geometry, pooling, divided)
    if not any(needs):
        return y, None
    x = x if needs[1] or needs[2] else None
    weight = weight if needs[0] else None
    return y, lambda dy: plan.gradients(x, weight, needs, dy, argmax=argmax, pooling=pooling)
