"""Convolution with few channels, ReLU and max pooling in one CUDA kernel: the guide's first layers.

The full-size activation is never written, and neither is its gradient: one byte for each window says which
element was the largest, or that ReLU made it 0.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from cnnkit.backends import Call, decline, dtype_name
from cnnkit.ops import OPS
from cnnkit.ops.rank import by_rank_2
from cnnkit.shapes import pool_output_shape
from cnnkit_cupy import direct
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.launcher import In, Kernel, Out, declare, launch, strides
from cnnkit_cupy.types import TYPES

Array = Any
CHAIN = [OPS[name] for name in ("conv", "relu", "max_pool")]
STOPPED = 255  # as in few_channels.cuh: elements of a window have smaller numbers
PLAIN: dict[str, Any] = {"padding": ((0, 0), (0, 0)), "dilation": (1, 1)}

for _dtype, _t in TYPES.items():
    _view = In(_dtype, strided=True)
    declare(*(Kernel("conv_relu_pool", f"conv2d_relu_max_pool2d<{_t}, {_size}>",
                     (_view, _view, In(_dtype, optional=True), Out(_dtype, channels_last=True),
                      Out("uint8", optional=True, channels_last=True), direct.BY, direct.BY,
                      direct.CONVOLUTION, direct.POOLING, direct.TILING),
                     shared=direct.ROOM, launch_bounds=(256, 2)) for _size in direct.SIZES),
            ops=("conv", "relu", "max_pool"))


@functools.lru_cache(1024)
def windows(plan: direct.Direct, window: tuple[int, int],
            ceil_mode: bool) -> tuple[tuple, int, dict, dict] | None:
    """The pooled shape, the instance, and the structures Pooling and Tiling; None where not served."""
    if window[0] * window[1] > STOPPED or max(plan.shape[2:]) >= 2**24:  # up to there by_height is exact
        return None
    N, K, P, Q = shape = pool_output_shape(plan.shape, window, window, **PLAIN, ceil_mode=ceil_mode)
    size = plan.size if window == (2, 2) else 0
    channels, (R, S, *_) = plan.weight_shape[1], plan.taps
    # other instances take all channels at once: sums of several windows would wait for the other channels
    at_once = 1 if size else channels
    quads = direct.quads_of(K // plan.geometry["groups"], R * S * at_once)
    try:
        tiling = direct.tiling(N, (P * window[0], Q * window[1]), channels, quads, 256 // quads, window,
                               plan.taps, least=at_once)
    except direct.Unserved:
        return None
    return shape, size, {"height": window[0], "width": window[1], "P": P, "Q": Q,
                         "by_height": 2**32 // window[0] + 1, "by_width": 2**32 // window[1] + 1}, tiling


def conv2d_relu_max_pool2d(x: Array, weight: Array, bias: Array | None, *others: Any,
                           needs: Sequence[bool], calls: Sequence[Call]) -> Any:
    """``conv``, then ``relu``, then ``max_pool`` with windows side by side, without padding."""
    if len(calls) != len(CHAIN) or [call.op for call in calls] != CHAIN:
        return decline("it serves conv with ReLU and max pooling")
    if x.ndim != 4:
        return by_rank_2(conv2d_relu_max_pool2d, (x, weight, bias), needs, {"calls": calls})
    conv, _, pool = (call.attrs for call in calls)
    plan, window = direct.plan_of(x, weight, conv), pool["kernel_size"]
    if plan is None or pool["stride"] != window or any(pool[name] != value for name, value in PLAIN.items()):
        return decline("it serves groups of few channels, and pooling windows side by side without padding")
    windowed = windows(plan, window, pool["ceil_mode"])
    if windowed is None:
        return decline(f"pooling windows of {window} over {plan.shape[2:]} outputs: no tile holds them")
    (shape, size, pooling, tiling), device = windowed, cuda_of(x)
    y = device.empty(shape, x.dtype, x, channels_last=True)
    argmax = device.empty(shape, "uint8", x, channels_last=True) if any(needs) else None
    launch(device, f"conv2d_relu_max_pool2d<{TYPES[dtype_name(x.dtype)]}, {size}>",
           (direct.tiles(len(x), tiling), plan.geometry["groups"], 1), x, weight, direct.side_by_side(bias),
           y, argmax, strides(x), strides(weight), plan.geometry, pooling, tiling)
    if not any(needs):
        return y, None
    x = x if needs[1] or needs[2] else None
    weight = weight if needs[0] else None
    return y, lambda dy: plan.gradients(device, x, weight, needs, dy, argmax=argmax, pooling=pooling)
