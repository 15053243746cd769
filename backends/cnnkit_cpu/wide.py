"""Convolution of many channels, which lie last in memory; see ``src/wide.h`` and ``src/winograd.h``.

A kernel here says when a result is not finite; then those of `cnnkit_cpu.conv` are asked, which know what NaN and infinity
may touch.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnkit.ops.conv import conv as op
from cnnkit_cpu import library
from cnnkit_cpu.choice import FLAT, SIDES, choose
from cnnkit_cpu.layout import channel_sums, empty_last, last
from cnnkit_cpu.library import Library, address
from cnnkit_cpu.memory import FLOAT, empty, packed, scratch


class WidePlan:
    """A convolution of given shapes: its sizes as the C functions want them, and by which algorithm each direction goes."""

    def __init__(self, owner: Library, x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any], names: tuple[str, ...]):
        self.owner, self.x, self.weight, self.shape, self.conv, self.names = owner, x, weight, shape, conv, names
        (top, _), (left, _) = conv["padding"]
        self.sizes = (ctypes.c_int * 14)(x[1], weight[0], *weight[2:], *x[2:], *shape[2:], *conv["stride"], *conv["dilation"], top,
                                         left)
        self._rooms: dict[tuple[str, int], int] = {}

    def _room(self, what: str, threads: int, function: Any, *arguments: int) -> int:
        key = (what, threads)  # not library.threads: another thread may set them meanwhile
        if key not in self._rooms:
            self._rooms[key] = function(self.sizes, *arguments)
        return self._rooms[key]

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, relu: bool) -> np.ndarray | None:
        """The result, or ``None`` if it is not finite everywhere."""
        owner, threads, n, y = self.owner, library.threads, self.x[0], empty_last(self.shape)
        at = None if bias is None else address(bias)
        if side := SIDES.get(self.names[0]):
            room, space = scratch(self._room("forward", threads, owner.winograd_forward_room, threads, side, n))
            good = owner.winograd_forward(threads, self.sizes, side, n, address(x), address(weight), at, relu, address(y), space)
        else:
            room, space = scratch(self._room("forward", threads, owner.wide_forward_room, threads, n))
            good = owner.wide_forward(threads, self.sizes, n, address(x), address(weight), at, relu, address(y), space)
        del room
        return y if good else None

    def input(self, dy: np.ndarray, weight: np.ndarray) -> np.ndarray | None:
        """The input's gradient, or ``None``."""
        owner, threads, dx = self.owner, library.threads, empty_last(self.x)
        if side := SIDES.get(self.names[1]):
            room, space = scratch(self._room("input", threads, owner.winograd_input_room, threads, side, self.x[0]))
            good = owner.winograd_input(threads, self.sizes, side, self.x[0], address(dy), address(weight), address(dx), space)
        else:
            room, space = scratch(self._room("input", threads, owner.wide_input_room, threads, self.x[0]))
            good = owner.wide_input(threads, self.sizes, self.x[0], address(dy), address(weight), address(dx), space)
        del room
        return dx if good else None

    def filters(self, x: np.ndarray, dy: np.ndarray) -> np.ndarray | None:
        """The filters' gradient, or ``None``."""
        owner, threads, dweight = self.owner, library.threads, empty(self.weight)
        if side := SIDES.get(self.names[2]):
            room, space = scratch(self._room("filters", threads, owner.winograd_filter_room, threads, side, self.x[0]))
            good = owner.winograd_filter(threads, self.sizes, side, self.x[0], address(x), address(dy), address(dweight), space)
        else:
            room, space = scratch(self._room("filters", threads, owner.wide_weight_room, self.x[0]))
            good = owner.wide_weight(threads, self.sizes, self.x[0], address(x), address(dy), address(dweight), space)
        del room
        return dweight if good else None


def wide_plan(owner: Library, x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any], pooled: str, strict: bool,
              channels_last: bool) -> WidePlan | None:
    """The plan for a convolution, or ``None`` where the flat loops are the better choice."""
    padded = [n + sum(p) for n, p in zip(x[2:], conv["padding"])]
    axes = zip(shape[2:], padded, weight[2:], conv["dilation"], conv["stride"])
    spread = [p + (n + (k - 1) * d) // s + 1 for p, n, k, d, s in axes]
    largest = max(math.prod(padded) * x[1], math.prod(spread) * weight[0], math.prod(shape[1:]), math.prod(weight) * 4)
    if largest >= 2**29:  # offsets within an image, with what is put around it, are 32-bit numbers
        return None
    names = choose(x, weight, shape, conv, pooled, strict, channels_last)
    return None if names[0] == FLAT else WidePlan(owner, x, weight, shape, conv, names)


def run(plan: WidePlan, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, relu: bool, needs: Sequence[bool],
        flat: Callable) -> tuple:
    """The result and the function that makes the gradients; `flat(x, weight, bias, relu, needs)` does the same for numbers that
    are not finite.
    """
    needs_x, needs_weight, needs_bias = needs
    weight, bias = packed(weight), None if bias is None else packed(bias)
    x = last(x)
    y = plan.forward(x, weight, bias, relu)
    if y is None:
        return flat(x, weight, bias, relu, needs)
    if True not in needs:
        return y, None
    result = y if relu else None
    x = x if needs_weight else None  # type: ignore[assignment]
    weight = weight if needs_x else None  # type: ignore[assignment]

    def backward(dy: np.ndarray) -> tuple:
        dz = last(dy, result)
        dx = plan.input(dz, weight) if needs_x else None
        dweight = plan.filters(x, dz) if needs_weight else None
        if (needs_x and dx is None) or (needs_weight and dweight is None):
            return again(dz)
        return dx, dweight, channel_sums(dz) if needs_bias else None

    def again(dz: np.ndarray) -> tuple:
        """By the flat loops, or as the op is defined; an array that was not kept has no part in what is wanted."""
        arrays = (np.zeros(plan.x, FLOAT) if x is None else x), (np.zeros(plan.weight, FLOAT) if weight is None else weight), None
        wanted = needs_x, needs_weight, False
        found = flat(*arrays, False, wanted)
        if found is NotImplemented:
            found = op.generic(*arrays, needs=wanted, **plan.conv)
        return (*found[1](dz)[:2], channel_sums(dz) if needs_bias else None)
    return y, backward
