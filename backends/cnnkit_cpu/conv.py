"""Convolution alone, and with ReLU and pooling in one kernel; see ``src/conv/channels_first.h`` for how.

Everything that depends on shapes and attributes alone is worked out once, in a `Plan`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnkit.backends import precision_level
from cnnkit.shapes import conv2d_output_shape
from cnnkit_cpu import channels_last, choice, library
from cnnkit_cpu.activation import then_leaky_relu
from cnnkit_cpu.library import Library, address
from cnnkit_cpu.memory import FLOAT, empty, packed, scratch

PLANS = 512  # kept at most
BYTE = np.dtype(np.uint8)
NO_POOL, MAX_POOL, AVG_POOL = range(3)
POOLINGS = {MAX_POOL: "max", AVG_POOL: "avg"}  # as choice.py knows them
PATCHES = (3, 3), (5, 5)  # filters that src/conv/patch serves
ALONE = ((1, 1), (1, 1), (1, 1))  # a pooling window's size, stride and dilation where there is none


class Plan:
    """A convolution of given shapes: the C++ plan, the shapes of results, and how much scratch it needs."""

    def __init__(self, owner: Library, x: tuple, weight: tuple, shape: tuple, stride: tuple, padding: tuple, dilation: tuple,
                 groups: int, relu: bool, kind: int, pool: tuple):
        self.shape, self.batch, self.weight = shape, x[0], weight
        self.x = x
        axes = [(ctypes.c_int * 9)(x[2 + i], weight[2 + i], stride[i], dilation[i], padding[i][0], *(p[i] for p in pool),
                                   shape[2 + i]) for i in (0, 1)]
        self._free = owner.conv_geometry_free
        self.handle = owner.conv_geometry_new(x[1], weight[0], groups, relu, kind, *axes)
        if not self.handle:
            raise MemoryError(f"no memory for the plan of a convolution of {x} with {weight}")
        self.forward, self.backward = owner.conv_forward, owner.conv_backward
        self.bytes = (owner.conv_marks_size(self.handle) * x[0],)
        self.keeps_y = kind == NO_POOL and relu
        self._rooms = owner.conv_forward_room, owner.conv_backward_room
        self._known = 0, (0, 0, 0)  # threads, and what `rooms` says of them: one tuple, for threads may set the number meanwhile

    def rooms(self, threads: int) -> tuple[int, int, int]:
        """Floats of scratch that forward needs, and backward without and with the input's gradient."""
        known, floats = self._known
        if threads != known:
            forward, backward = self._rooms
            floats = forward(self.handle, threads), *(backward(self.handle, threads, self.batch, dx) for dx in (0, 1))
            self._known = threads, floats
        return floats

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self._free(self.handle)


def make_plan(owner: Library, x: tuple, weight: tuple, shape: tuple, stride: tuple, padding: tuple, dilation: tuple, groups: int,
              relu: bool, kind: int, pool: tuple) -> Plan | None:
    """The plan, or ``None`` where its offsets are no 32-bit numbers: at absurd strides, or images of gigabytes."""
    floats, largest = 1, 0
    for i in (0, 1):
        window, every, apart = (p[i] for p in pool)
        step, reach = stride[i] * every, (window - 1) * apart * stride[i] + (weight[2 + i] - 1) * dilation[i]
        cells = shape[2 + i] + reach // step
        floats *= (cells + 64) * min(step, reach + 1)
        largest = max(largest, step, reach, x[2 + i] + sum(padding[i]), stride[i], dilation[i], every, apart)
    windows = pool[0][0] * pool[0][1]
    if max(largest, floats * max(x[1], weight[0] * windows), windows * math.prod(weight)) >= 2**31:
        return None
    return Plan(owner, x, weight, shape, stride, padding, dilation, groups, relu, kind, pool)


def remember(owner: Library, key: tuple, make: Callable[..., Any], *arguments: Any) -> Any:
    """The plan that the library keeps under `key`, made now, of the arguments, if there is none."""
    plans = owner.plans
    try:
        return plans[key]
    except KeyError:
        if len(plans) >= PLANS:
            plans.clear()
        plan = plans[key] = make(*arguments)
        return plan


def plan_of(x: np.ndarray, weight: np.ndarray, conv: Mapping[str, Any], relu: bool, kind: int, pool: tuple) -> Plan | None:
    """The plan for a call; ``None`` where there is nothing to compute, or the pooling window does not fit."""
    owner = library.active

    def make() -> Plan | None:
        shape = conv2d_output_shape(x.shape, weight.shape, conv["stride"], conv["padding"], conv["dilation"], conv["groups"])
        if kind != NO_POOL:
            shape = (*shape[:2], *((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(shape[2:], *pool)))
        if 0 in x.shape or 0 in weight.shape or min(shape) <= 0:
            return None
        return make_plan(owner, x.shape, weight.shape, shape, conv["stride"], conv["padding"], conv["dilation"], conv["groups"],
                         relu, kind, pool)
    return remember(owner, (x.shape, weight.shape, *conv, *conv.values(), relu, kind, pool), make)


def run(plan: Plan, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, needs: Sequence[bool]) -> tuple:
    """The result, and the function that makes the gradients."""
    needs_x, needs_weight, needs_bias = needs
    keep = needs_x or needs_weight or needs_bias
    x, weight = packed(x), packed(weight)
    bias = None if bias is None else packed(bias)
    threads = library.threads
    y = empty(plan.shape)
    won = empty(plan.bytes, BYTE) if keep and plan.bytes[0] else None
    room, at = scratch(plan.rooms(threads)[0])
    plan.forward(threads, plan.handle, plan.batch, address(x), address(weight), None if bias is None else address(bias), address(y),
                 None if won is None else address(won), at)
    del room
    if not keep:
        return y, None
    result = y if plan.keeps_y else None
    x = x if needs_weight else None  # type: ignore[assignment]
    weight = weight if needs_x else None  # type: ignore[assignment]

    def backward(dy: np.ndarray) -> tuple:
        threads = library.threads
        dy = packed(dy)
        dx = empty(plan.x) if needs_x else None
        dweight = empty(plan.weight) if needs_weight else None
        dbias = empty(plan.weight[:1]) if needs_bias else None
        room, at = scratch(plan.rooms(threads)[1 + needs_x])
        plan.backward(threads, plan.handle, plan.batch, *[a if a is None else address(a) for a in
                      (x, weight, result, won, dy, dx, dweight, dbias)], at)
        del room
        return dx, dweight, dbias
    return y, backward


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, relu: bool, needs: Sequence[bool],
             conv: Mapping[str, Any]) -> tuple:
    """A convolution, with ReLU or without, by the algorithm that is the best for its shapes."""
    if x.dtype != FLOAT:
        return NotImplemented

    def flat(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, relu: bool, needs: Sequence[bool]) -> tuple:
        plan = plan_of(x, weight, conv, relu, NO_POOL, ALONE)
        return NotImplemented if plan is None else run(plan, x, weight, bias, needs)
    many = channels_last_plan(x, weight, conv, "")
    if many is None:
        return flat(x, weight, bias, relu, needs)
    return channels_last.convolve(many, x, weight, bias, relu, needs, flat)


def channels_last_plan(x: np.ndarray, weight: np.ndarray, conv: Mapping[str, Any],
                       pooled: str) -> channels_last.Plan | None:
    """The plan for channels that lie last in memory; ``None`` where the flat loops are better, or there is nothing to compute."""
    owner, strict, first = library.active, precision_level() == "strict", x.flags.c_contiguous

    def make() -> channels_last.Plan | None:
        shape = conv2d_output_shape(x.shape, weight.shape, conv["stride"], conv["padding"], conv["dilation"], conv["groups"])
        if 0 in x.shape or 0 in weight.shape or min(shape) <= 0:
            return None
        return channels_last.make_plan(owner, x.shape, weight.shape, shape, conv, pooled, strict, not first)
    return remember(owner, (x.shape, weight.shape, *conv, *conv.values(), pooled, strict, choice.forced, first), make)


def conv2d(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, *, needs: Sequence[bool], **conv: Any) -> tuple:
    """See `cnnkit.ops.conv.conv2d`."""
    return convolve(x, weight, bias, False, needs, conv)


def conv2d_relu(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, *, needs: Sequence[bool],
                attrs: Sequence[Mapping[str, Any]]) -> tuple:
    """``conv2d``, then ``relu``."""
    return convolve(x, weight, bias, True, needs, attrs[0])


def conv2d_leaky_relu(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, *, needs: Sequence[bool],
                      attrs: Sequence[Mapping[str, Any]]) -> tuple:
    """``conv2d``, then ``leaky_relu``."""
    slope = attrs[1]["negative_slope"]
    found = convolve(x, weight, bias, False, needs, attrs[0]) if slope > 0 else NotImplemented
    return found if found is NotImplemented else then_leaky_relu(found, slope)


def pooled(relu: bool, kind: int) -> Any:
    """The kernel of a convolution, with or without ReLU, and a pooling without padding."""
    def kernel(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, *, needs: Sequence[bool],
               attrs: Sequence[Mapping[str, Any]]) -> tuple:
        if x.dtype != FLOAT:
            return NotImplemented
        conv, pool = attrs[0], attrs[-1]
        key = (x.shape, weight.shape, *conv, *conv.values(), *pool, *pool.values(), relu, kind, precision_level(), choice.forced,
               x.flags.c_contiguous)
        plan = remember(library.active, key, pooled_plan, x, weight, conv, relu, kind, pool)
        return NotImplemented if plan is None else run(plan, x, weight, bias, needs)
    return kernel


def pooled_plan(x: np.ndarray, weight: np.ndarray, conv: Mapping[str, Any], relu: bool, kind: int,
                pool: Mapping[str, Any]) -> Plan | None:
    """The plan of both; ``None`` where one after the other is better, or there is nothing to compute."""
    size, stride, apart = pool["kernel_size"], pool["stride"], pool.get("dilation", (1, 1))
    patched = (size == stride == (2, 2) and apart == conv["stride"] == conv["dilation"] == (1, 1)
               and weight.shape[2:] in PATCHES)
    if (pool["padding"] != ((0, 0), (0, 0)) or pool["ceil_mode"] or size[0] * size[1] > (254 if kind == MAX_POOL else 8)
            or pool.get("divisor_override") is not None
            or size[0] * size[1] > 2 * stride[0] * stride[1]  # windows that overlap much: better computed once
            or channels_last_plan(x, weight, conv, POOLINGS[kind] if patched else "other") is not None):
        return None
    return plan_of(x, weight, conv, relu, kind, (size, stride, apart))


conv2d_max_pool2d = pooled(False, MAX_POOL)


def conv2d_leaky_relu_max_pool2d(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, *, needs: Sequence[bool],
                                 attrs: Sequence[Mapping[str, Any]]) -> tuple:
    """``conv2d``, ``leaky_relu``, then ``max_pool2d``: the largest stays the largest, so leaky ReLU comes last."""
    slope = attrs[1]["negative_slope"]
    found = conv2d_max_pool2d(x, weight, bias, needs=needs, attrs=(attrs[0], attrs[2])) if slope > 0 else NotImplemented
    return found if found is NotImplemented else then_leaky_relu(found, slope)
