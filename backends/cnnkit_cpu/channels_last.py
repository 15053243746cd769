"""Convolution of many channels, which lie last in memory, by a matrix product or by Winograd's algorithm.

The kernels are in ``src/conv/product`` and ``src/conv/winograd``. They report a result that is not finite;
then the kernels of `cnnkit_cpu.conv` compute it again, because they propagate NaN and infinity correctly.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnkit.backends.c_integers import array_of
from cnnkit.ops.conv import conv as op
from cnnkit_cpu import library
from cnnkit_cpu.choice import FLAT, SIDES, choose
from cnnkit_cpu.finite import tame
from cnnkit_cpu.layout import channel_sums, empty_channels_last, to_channels_last
from cnnkit_cpu.library import Library, address
from cnnkit_cpu.memory import FLOAT, empty, packed, scratch


class Plan:
    """A convolution of given shapes: sizes as the C functions want them, and each direction's algorithm."""

    def __init__(self, owner: Library, x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any],
                 names: tuple[str, ...]):
        self.owner, self.names, self.conv = owner, names, conv
        self.x, self.weight, self.shape = x, weight, shape
        (top, _), (left, _) = conv["padding"]
        # whether some windows hold nothing but padding, which the filters' gradient leaves out
        self.in_padding = any(max(pads) > d * (k - 1) for pads, d, k in
                              zip(conv["padding"], conv["dilation"], weight[2:]))
        self.sizes = array_of(ctypes.c_int, "a convolution's plan", x[1], weight[0], *weight[2:], *x[2:],
                              *shape[2:], *conv["stride"], *conv["dilation"], top, left)
        self._rooms: dict[tuple[str, int], int] = {}

    def _room(self, purpose: str, threads: int, function: Any, *arguments: int) -> int:
        key = (purpose, threads)  # not library.threads: another thread may set them meanwhile
        if key not in self._rooms:
            self._rooms[key] = function(self.sizes, *arguments)
        return self._rooms[key]

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None,
                relu: bool) -> np.ndarray | None:
        """The result, or ``None`` if it is not finite everywhere."""
        owner, threads, n, y = self.owner, library.threads, self.x[0], empty_channels_last(self.shape)
        arrays = address(x), address(weight), None if bias is None else address(bias), relu, address(y)
        if side := SIDES.get(self.names[0]):
            floats = self._room("forward", threads, owner.winograd_forward_room, threads, side, n)
            room, room_address = scratch(floats)
            finite = owner.winograd_forward(threads, self.sizes, side, n, *arrays, room_address)
        else:
            floats = self._room("forward", threads, owner.product_forward_room, threads, n)
            room, room_address = scratch(floats)
            finite = owner.product_forward(threads, self.sizes, n, *arrays, room_address)
        del room
        return y if finite else None

    def input_gradient(self, dy: np.ndarray, weight: np.ndarray) -> np.ndarray | None:
        """The input's gradient, or ``None`` if it is not finite everywhere."""
        owner, threads, n, dx = self.owner, library.threads, self.x[0], empty_channels_last(self.x)
        arrays = address(dy), address(weight), address(dx)
        if side := SIDES.get(self.names[1]):
            floats = self._room("input", threads, owner.winograd_input_gradient_room, threads, side, n)
            room, room_address = scratch(floats)
            finite = owner.winograd_input_gradient(threads, self.sizes, side, n, *arrays, room_address)
        else:
            floats = self._room("input", threads, owner.product_input_gradient_room, threads, n)
            room, room_address = scratch(floats)
            finite = owner.product_input_gradient(threads, self.sizes, n, *arrays, room_address)
        del room
        return dx if finite else None

    def filter_gradient(self, x: np.ndarray, dy: np.ndarray) -> np.ndarray | None:
        """The filters' gradient, or ``None`` if it is not finite everywhere."""
        if self.in_padding and not tame(dy):
            return None
        owner, threads, n, dweight = self.owner, library.threads, self.x[0], empty(self.weight)
        arrays = address(x), address(dy), address(dweight)
        if side := SIDES.get(self.names[2]):
            floats = self._room("filters", threads, owner.winograd_filter_gradient_room, threads, side, n)
            room, room_address = scratch(floats)
            finite = owner.winograd_filter_gradient(threads, self.sizes, side, n, *arrays, room_address)
        else:
            floats = self._room("filters", threads, owner.product_filter_gradient_room, n)
            room, room_address = scratch(floats)
            finite = owner.product_filter_gradient(threads, self.sizes, n, *arrays, room_address)
        del room
        return dweight if finite else None


def make_plan(owner: Library, x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any], pooled: str,
              strict: bool, channels_last: bool) -> Plan | None:
    """The plan for a convolution, or ``None`` where the flat loops are the better choice."""
    padded = [n + sum(p) for n, p in zip(x[2:], conv["padding"])]
    axes = zip(shape[2:], padded, weight[2:], conv["dilation"], conv["stride"])
    spread = [p + (n + (k - 1) * d) // s + 1 for p, n, k, d, s in axes]
    largest = max(math.prod(padded) * x[1], math.prod(spread) * weight[0], math.prod(shape[1:]),
                  math.prod(weight) * 4)
    if largest >= 2**29:  # offsets within an image, with what is put around it, are 32-bit numbers
        return None
    if max(x[0], *conv["stride"], *conv["dilation"]) >= 2**31:  # as are the numbers of a plan
        return None
    names = choose(x, weight, shape, conv, pooled, strict, channels_last)
    return None if names[0] == FLAT else Plan(owner, x, weight, shape, conv, names)


def convolve(plan: Plan, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, relu: bool,
             needs: Sequence[bool], flat: Callable) -> tuple:
    """The result and the function that makes the gradients.

    `flat(x, weight, bias, relu, needs)` does the same for numbers that are not finite.
    """
    needs_x, needs_weight, needs_bias = needs
    weight, bias = packed(weight), None if bias is None else packed(bias)
    x = to_channels_last(x)
    y = plan.forward(x, weight, bias, relu)
    if y is None:
        return flat(x, weight, bias, relu, needs)
    if True not in needs:
        return y, None
    result = y if relu else None
    x = x if needs_weight else None  # type: ignore[assignment]
    weight = weight if needs_x else None  # type: ignore[assignment]

    def backward(dy: np.ndarray) -> tuple:
        dz = to_channels_last(dy, result)
        dx = plan.input_gradient(dz, weight) if needs_x else None
        dweight = plan.filter_gradient(x, dz) if needs_weight else None
        if (needs_x and dx is None) or (needs_weight and dweight is None):
            return recompute(dz)
        return dx, dweight, channel_sums(dz) if needs_bias else None

    def recompute(dz: np.ndarray) -> tuple:
        """The gradients by the flat loops or the generic op; zeros stand in for arrays that were not kept."""
        arrays = (np.zeros(plan.x, FLOAT) if x is None else x,
                  np.zeros(plan.weight, FLOAT) if weight is None else weight, None)
        array_needs = needs_x, needs_weight, False
        computed = flat(*arrays, False, array_needs)
        if computed is NotImplemented:
            computed = op.generic(*arrays, needs=array_needs, **plan.conv)
        return (*computed[1](dz)[:2], channel_sums(dz) if needs_bias else None)
    return y, backward
