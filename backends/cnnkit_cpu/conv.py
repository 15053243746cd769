"""Convolution alone, and with ReLU and pooling in one kernel; see ``src/conv/channels_first.h`` for how.

Everything that depends on shapes and attributes alone is worked out once, in a `FlatPlan`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from cnnkit.backends import Call, chose, decline, precision_level
from cnnkit.backends.c_integers import array_of
from cnnkit.ops.conv import conv_filters_backward, conv_input_backward
from cnnkit.ops.folding import NORM_OR_ADD
from cnnkit.ops.rank import by_rank_2
from cnnkit.shapes import conv_output_shape
from cnnkit_cpu import channels_last, choice, library
from cnnkit_cpu.activation import then
from cnnkit_cpu.finish import finish_in_place, finish_of
from cnnkit_cpu.finite import tame
from cnnkit_cpu.layout import to_channels_last
from cnnkit_cpu.library import Library, address
from cnnkit_cpu.memory import FLOAT, empty, packed, scratch

PLANS = 512  # kept at most
BYTE = np.dtype(np.uint8)
NO_POOL, MAX_POOL, AVG_POOL = range(3)
POOLINGS = {MAX_POOL: "max", AVG_POOL: "avg"}  # as choice.py knows them
KINDS = {"max_pool": MAX_POOL, "avg_pool": AVG_POOL}
PATCHES = (3, 3), (5, 5)  # filters that src/conv/patch serves
ALONE = ((1, 1), (1, 1), (1, 1))  # a pooling window's size, stride and dilation where there is none


class FlatPlan:
    """A convolution of given shapes: the C++ plan, the shapes of results, and how much scratch it needs."""

    def __init__(self, owner: Library, x: tuple, weight: tuple, shape: tuple, stride: tuple, padding: tuple,
                 dilation: tuple, groups: int, relu: bool, kind: int, pool: tuple):
        self.shape, self.batch, self.weight = shape, x[0], weight
        self.x = x
        axes = [array_of(ctypes.c_int, "a convolution's plan", x[2 + i], weight[2 + i], stride[i],
                         dilation[i], padding[i][0], *(p[i] for p in pool), shape[2 + i]) for i in (0, 1)]
        self._free = owner.conv_geometry_free
        self.handle = owner.conv_geometry_new(x[1], weight[0], groups, relu, kind, *axes)
        if not self.handle:
            raise MemoryError(f"no memory for the plan of a convolution of {x} with {weight}")
        self.owner = owner
        self.bytes = (owner.conv_marks_size(self.handle) * x[0],)
        self.keeps_y = kind == NO_POOL and relu
        results = [(x[2 + i] + sum(padding[i]) - dilation[i] * (weight[2 + i] - 1) - 1) // stride[i] + 1
                   for i in (0, 1)]
        # whether a result of the convolution is in no pooling window
        self.leaves_some = kind != NO_POOL and any(
            _leaves_some(results[i], *(p[i] for p in pool), shape[2 + i]) for i in (0, 1))
        self._rooms = owner.conv_forward_room, owner.conv_backward_room
        # number of threads, and `rooms` of it: one tuple, because another thread may set it meanwhile
        self._cached_rooms = 0, (0, 0, 0)

    def rooms(self, threads: int) -> tuple[int, int, int]:
        """Floats of scratch that forward needs, and backward without and with the input's gradient."""
        cached_threads, floats = self._cached_rooms
        if threads != cached_threads:
            forward, backward = self._rooms
            floats = (forward(self.handle, threads),
                      *(backward(self.handle, threads, self.batch, dx) for dx in (0, 1)))
            self._cached_rooms = threads, floats
        return floats

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self._free(self.handle)


def _leaves_some(results: int, *pool: int) -> bool:
    """Whether some results of a convolution, along one axis, are in none of the pooling windows behind it."""
    window, stride, dilation, windows = pool
    return len({p * stride + t * dilation for p in range(windows) for t in range(window)}) < results


def make_plan(owner: Library, x: tuple, weight: tuple, shape: tuple, stride: tuple, padding: tuple,
              dilation: tuple, groups: int, relu: bool, kind: int, pool: tuple) -> FlatPlan | None:
    """The plan, or ``None`` where offsets are no 32-bit numbers: absurd strides, or images of gigabytes."""
    floats, largest = 1, 0
    for i in (0, 1):
        window, window_stride, window_dilation = (p[i] for p in pool)
        step = stride[i] * window_stride
        reach = (window - 1) * window_dilation * stride[i] + (weight[2 + i] - 1) * dilation[i]
        cells = shape[2 + i] + reach // step
        floats *= (cells + 64) * min(step, reach + 1)
        largest = max(largest, step, reach, x[0], x[2 + i] + sum(padding[i]), stride[i], dilation[i],
                      window_stride, window_dilation)
    windows = pool[0][0] * pool[0][1]
    if max(largest, floats * max(x[1], weight[0] * windows), windows * math.prod(weight)) >= 2**31:
        return None
    return FlatPlan(owner, x, weight, shape, stride, padding, dilation, groups, relu, kind, pool)


def remember(owner: Library, key: tuple, make: Callable[..., Any], *arguments: Any) -> Any:
    """The plan that the library keeps under `key`; if there is none, ``make(*arguments)`` makes it now."""
    plans = owner.plans
    try:
        return plans[key]
    except KeyError:
        if len(plans) >= PLANS:
            plans.clear()
        plan = plans[key] = make(*arguments)
        return plan


def plan_of(x: tuple, weight: tuple, conv: Mapping[str, Any], relu: bool, kind: int,
            pool: tuple) -> FlatPlan | None:
    """The plan for these shapes; ``None`` if there is nothing to compute, or the window does not fit."""
    owner = library.active

    def make() -> FlatPlan | None:
        shape = conv_output_shape(x, weight, conv["stride"], conv["padding"], conv["dilation"],
                                  conv["groups"])
        if kind != NO_POOL:
            shape = (*shape[:2], *((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(shape[2:], *pool)))
        if 0 in x or 0 in weight or min(shape) <= 0:
            return None
        return make_plan(owner, x, weight, shape, conv["stride"], conv["padding"], conv["dilation"],
                         conv["groups"], relu, kind, pool)
    return remember(owner, (x, weight, *conv, *conv.values(), relu, kind, pool), make)


def run(plan: FlatPlan, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None,
        needs: Sequence[bool]) -> Any:
    """The result, and the function that makes the gradients."""
    needs_x, needs_weight, needs_bias = needs
    keep = needs_x or needs_weight or needs_bias
    x, weight = packed(x), packed(weight)
    bias = None if bias is None else packed(bias)
    if keep and plan.leaves_some and not (tame(x) and tame(weight)):
        return decline("results in no pooling window, whose gradient 0 is multiplied by infinity or NaN")
    threads = library.threads
    chose("flat loops")
    y = empty(plan.shape)
    marks = empty(plan.bytes, BYTE) if keep and plan.bytes[0] else None
    room, room_address = scratch(plan.rooms(threads)[0])
    plan.owner.conv_forward(threads, plan.handle, plan.batch, address(x), address(weight),
                            None if bias is None else address(bias), address(y),
                            None if marks is None else address(marks), room_address)
    del room
    if not keep:
        return y, None
    result = y if plan.keeps_y else None
    x = x if needs_weight else None  # type: ignore[assignment]
    weight = weight if needs_x else None  # type: ignore[assignment]

    return y, lambda dy: gradients(plan, x, weight, result, marks, dy, needs)


def gradients(plan: FlatPlan, x: np.ndarray | None, weight: np.ndarray | None, result: np.ndarray | None,
              marks: np.ndarray | None, dy: np.ndarray, needs: Sequence[bool]) -> tuple:
    """The gradients of input, filters and bias that are needed; `x` and `weight` must be packed."""
    needs_x, needs_weight, needs_bias = needs
    threads, dy = library.threads, packed(dy)
    dx = empty(plan.x) if needs_x else None
    dweight = empty(plan.weight) if needs_weight else None
    dbias = empty(plan.weight[:1]) if needs_bias else None
    room, room_address = scratch(plan.rooms(threads)[1 + needs_x])
    plan.owner.conv_backward(threads, plan.handle, plan.batch, *[a if a is None else address(a) for a in
                             (x, weight, result, marks, dy, dx, dweight, dbias)], room_address)
    del room
    return dx, dweight, dbias


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, relu: bool, needs: Sequence[bool],
             conv: Mapping[str, Any]) -> tuple:
    """A convolution, with ReLU or without, by the algorithm that is the best for its shapes."""
    if x.dtype != FLOAT:
        return decline(f"{x.dtype}; it serves float32")

    nhwc_plan = channels_last_plan(x.shape, weight.shape, conv, "", x.flags.c_contiguous)
    if nhwc_plan is None:
        return flat(x, weight, bias, relu, needs, conv)
    return channels_last.convolve(nhwc_plan, x, weight, bias, relu, needs, partial(flat, conv=conv))


def flat(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, relu: bool, needs: Sequence[bool],
         conv: Mapping[str, Any]) -> tuple:
    """The same by the flat loops."""
    plan = plan_of(x.shape, weight.shape, conv, relu, NO_POOL, ALONE)
    return decline("there is nothing to compute") if plan is None else run(plan, x, weight, bias, needs)


def channels_last_plan(x: tuple, weight: tuple, conv: Mapping[str, Any], pooled: str,
                       channels_first: bool) -> channels_last.ChannelsLastPlan | None:
    """The plan for channels that lie last in memory; `channels_first`: those of `x` lie first now.

    ``None`` where the flat loops are better, or there is nothing to compute.
    """
    owner, strict = library.active, precision_level() == "strict"

    def make() -> channels_last.ChannelsLastPlan | None:
        shape = conv_output_shape(x, weight, conv["stride"], conv["padding"], conv["dilation"],
                                  conv["groups"])
        if 0 in x or 0 in weight or min(shape) <= 0:
            return None
        return channels_last.make_plan(owner, x, weight, shape, conv, pooled, strict, not channels_first)
    key = (x, weight, *conv, *conv.values(), pooled, strict, choice.forced, channels_first)
    return remember(owner, key, make)


def conv2d(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, *, needs: Sequence[bool],
           **conv: Any) -> tuple:
    """See `cnnkit.ops.conv.conv`."""
    if x.ndim != 4:
        return by_rank_2(conv2d, (x, weight, bias), needs, conv)
    return convolve(x, weight, bias, False, needs, conv)


def conv2d_input(dy: np.ndarray, weight: np.ndarray, *, needs: Sequence[bool], size: tuple,
                 **conv: Any) -> tuple:
    """See `cnnkit.ops.conv.conv_input`."""
    if dy.ndim != 4:
        return by_rank_2(conv2d_input, (dy, weight), needs, {"size": size, **conv})
    if dy.dtype != FLOAT:
        return decline(f"{dy.dtype}; it serves float32")
    x = (dy.shape[0], weight.shape[1] * conv["groups"], *size)
    nhwc_plan, dx = channels_last_plan(x, weight.shape, conv, "", dy.flags.c_contiguous), None
    if nhwc_plan is not None:
        dx = nhwc_plan.input_gradient(to_channels_last(dy), packed(weight))
    if dx is None:
        plan = plan_of(x, weight.shape, conv, False, NO_POOL, ALONE)
        if plan is None:
            return decline("there is nothing to compute")
        dx = gradients(plan, None, packed(weight), None, None, dy, (True, False, False))[0]
    return dx, conv_input_backward(dy, weight, needs, conv) if True in needs else None


def conv2d_filters(x: np.ndarray, dy: np.ndarray, *, needs: Sequence[bool], kernel_size: tuple,
                   **conv: Any) -> tuple:
    """See `cnnkit.ops.conv.conv_filters`."""
    if x.ndim != 4:
        return by_rank_2(conv2d_filters, (x, dy), needs, {"kernel_size": kernel_size, **conv})
    if x.dtype != FLOAT:
        return decline(f"{x.dtype}; it serves float32")
    weight = (dy.shape[1], x.shape[1] // conv["groups"], *kernel_size)
    nhwc_plan, dweight = channels_last_plan(x.shape, weight, conv, "", x.flags.c_contiguous), None
    if nhwc_plan is not None:
        dweight = nhwc_plan.filter_gradient(to_channels_last(x), to_channels_last(dy))
    if dweight is None:
        plan = plan_of(x.shape, weight, conv, False, NO_POOL, ALONE)
        if plan is None:
            return decline("there is nothing to compute")
        dweight = gradients(plan, packed(x), None, None, None, dy, (False, True, False))[1]
    return dweight, conv_filters_backward(x, dy, needs, conv) if True in needs else None


def conv2d_chain(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, *others: Any,
                 needs: Sequence[bool], calls: Sequence[Call]) -> tuple:
    """``conv``, then perhaps an activation, then perhaps a pooling.

    ReLU is part of the loops. Other increasing activations are computed after the maximum: on fewer numbers.
    """
    if others:
        return decline(NORM_OR_ADD)
    if x.ndim != 4:
        return by_rank_2(conv2d_chain, (x, weight, bias), needs, {"calls": calls})
    conv, *following = calls
    if conv.op is not channels_last.op:
        return decline(f"{conv.op.name} is another convolution than it knows")
    pool = following.pop() if following[-1].op.role == "pool" else None
    activation = following[0] if following else None
    if pool is None and True not in needs:
        return infer(x, weight, bias, conv.attrs, None, activation)
    if activation is None or activation.op.name == "relu":
        return _convolve_and_pool(x, weight, bias, needs, conv.attrs, activation is not None, pool)
    name = activation.op.name
    if pool is None:
        if name != "leaky_relu":
            return decline(f"{name} is no part of its loops")
    elif pool.op.name != "max_pool" or not activation.op.increasing(activation.attrs):
        return decline(f"{pool.op.name} of {name} is not {name} of {pool.op.name}")
    return then(_convolve_and_pool(x, weight, bias, needs, conv.attrs, False, pool), activation)


def infer(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, conv: Mapping[str, Any],
          addend: np.ndarray | None, activation: Call | None) -> tuple:
    """Where nobody wants gradients: a convolution, then perhaps an addition, then perhaps an activation."""
    finish, needs = finish_of(addend, activation), (False,) * 3
    if x.dtype != FLOAT or finish is None:
        return decline(f"{x.dtype}, or an activation that is no part of its loops")
    relu = activation is not None and activation.op.name == "relu"
    if addend is not None or (activation is not None and not relu):
        plan = channels_last_plan(x.shape, weight.shape, conv, "", x.flags.c_contiguous)
        y = None if plan is None else channels_last.infer(plan, x, weight, bias, finish)
        if y is not None:
            return y, None
        computed = flat(x, weight, bias, False, needs, conv)
        if computed is not NotImplemented:
            finish_in_place(computed[0], finish)
        return computed
    return convolve(x, weight, bias, relu, needs, conv)


def _convolve_and_pool(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, needs: Sequence[bool],
                       conv: Mapping[str, Any], relu: bool, pool: Call | None) -> tuple:
    if pool is None:
        return convolve(x, weight, bias, relu, needs, conv)
    if x.dtype != FLOAT:
        return decline(f"{x.dtype}; it serves float32")
    kind = KINDS.get(pool.op.name)
    if kind is None:
        return decline(f"{pool.op.name} is no part of its loops")
    key = (x.shape, weight.shape, *conv, *conv.values(), *pool.attrs, *pool.attrs.values(), relu, kind,
           precision_level(), choice.forced, x.flags.c_contiguous)
    plan = remember(library.active, key, pooled_plan, x, weight, conv, relu, kind, pool.attrs)
    if plan is None:
        return decline("convolution and pooling are faster one by one, or there is nothing to compute")
    return run(plan, x, weight, bias, needs)


def pooled_plan(x: np.ndarray, weight: np.ndarray, conv: Mapping[str, Any], relu: bool, kind: int,
                pool: Mapping[str, Any]) -> FlatPlan | None:
    """The plan of convolution and pooling together.

    ``None`` where one after the other is better, or there is nothing to compute.
    """
    size, stride, dilation = pool["kernel_size"], pool["stride"], pool.get("dilation", (1, 1))
    patched = (size == stride == (2, 2) and dilation == conv["stride"] == conv["dilation"] == (1, 1)
               and weight.shape[2:] in PATCHES)
    if (pool["padding"] != ((0, 0), (0, 0)) or pool["ceil_mode"]
            or size[0] * size[1] > (254 if kind == MAX_POOL else 8)
            or pool.get("divisor_override") is not None
            or size[0] * size[1] > 2 * stride[0] * stride[1]  # windows that overlap much: compute once
            or channels_last_plan(x.shape, weight.shape, conv, POOLINGS[kind] if patched else "other",
                                  x.flags.c_contiguous) is not None):
        return None
    return plan_of(x.shape, weight.shape, conv, relu, kind, (size, stride, dilation))
