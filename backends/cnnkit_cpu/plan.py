"""A convolution with the channels last in memory, of given shapes: by a matrix product, or by Winograd."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cnnkit.backends.c_integers import array_of
from cnnkit_cpu import library
from cnnkit_cpu.choice import SIDES
from cnnkit_cpu.finish import Finish
from cnnkit_cpu.finite import tame
from cnnkit_cpu.layout import empty_channels_last
from cnnkit_cpu.library import Library, address
from cnnkit_cpu.memory import empty, scratch

Functions = tuple[Callable[..., int], Callable[..., int]]  # how much room a C function needs, and itself


class ChannelsLastPlan:
    """A convolution of given shapes: sizes as the C functions want them, and each direction's algorithm."""

    def __init__(self, owner: Library, x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any],
                 names: tuple[str, ...]):
        self.owner, self.names, self.conv = owner, names, conv
        self.x, self.weight, self.shape = x, weight, shape
        (top, _), (left, _) = conv["padding"]
        # whether some windows hold nothing but padding, which the filters' gradient leaves out
        self.in_padding = any(max(pads) > d * (k - 1) for pads, d, k in
                              zip(conv["padding"], conv["dilation"], weight[2:]))
        window = *weight[2:], *x[2:], *shape[2:], *conv["stride"], *conv["dilation"], top, left
        self.sizes = array_of(ctypes.c_int, "a convolution's plan", x[1], weight[0], *window)
        self._rooms: dict[tuple[int, int], int] = {}  # (direction, threads) -> numbers of room
        # Of a 1x1 convolution images and gradients may change places; vectors run along what fills them.
        lanes = owner.cpu_width() // 4
        turned = (shape[2:] == x[2:] and weight[2:] == (1, 1) and not any(map(any, conv["padding"]))
                  and bool(weight[0] % lanes) and not x[1] % lanes)
        self.turned = (array_of(ctypes.c_int, "a convolution's plan", weight[0], x[1], *window)
                       if turned else None)

    def _compute(self, direction: int, winograd: Functions, product: Functions, *arrays: int | None) -> bool:
        """Call one direction's C function, with room; whether its result is finite everywhere."""
        n, threads = self.x[0], library.threads  # read once: another thread may set them meanwhile
        side = SIDES.get(self.names[direction])
        (room_of, function), numbers = (winograd, (side, n)) if side else (product, (n,))
        key = direction, threads
        if key not in self._rooms:
            self._rooms[key] = room_of(self.sizes, threads, *numbers)
        room, room_address = scratch(self._rooms[key])
        finite = function(threads, self.sizes, *numbers, *arrays, room_address)
        del room
        return bool(finite)

    def filters(self, weight: np.ndarray) -> np.ndarray | None:
        """The filters as `forward` reads them fastest; ``None`` where that is as they are."""
        owner, side = self.owner, SIDES.get(self.names[0])
        size = (owner.winograd_forward_filters_size(self.sizes, side) if side else
                owner.product_forward_filters_size(self.sizes))
        if not size:
            return None
        filters, threads = empty((size,)), library.threads
        if side:
            room, room_address = scratch(owner.winograd_forward_filters_room(threads))
            owner.winograd_forward_filters(threads, self.sizes, side, address(weight), address(filters),
                                           room_address)
            del room
        else:
            owner.product_forward_filters(threads, self.sizes, address(weight), address(filters))
        return filters

    def forward(self, x: np.ndarray, weight: np.ndarray, filters: np.ndarray | None, bias: np.ndarray | None,
                finish: Finish) -> np.ndarray | None:
        """The result, or ``None`` if it is not finite everywhere.

        With `filters`, which `filters` has made of it, `weight` is not read.
        """
        owner, y = self.owner, empty_channels_last(self.shape)
        finite = self._compute(0, (owner.winograd_forward_room, owner.winograd_forward),
                               (owner.product_forward_room, owner.product_forward), address(x),
                               *self._inputs(weight, filters, bias, finish), address(y))
        return y if finite else None

    @staticmethod
    def _inputs(weight: np.ndarray, filters: np.ndarray | None, bias: np.ndarray | None,
                finish: Finish) -> tuple:
        """The arguments between images and results that all forward functions take; an addend has the
        result's order of memory.
        """
        return (None if filters is not None else address(weight), *(
            None if a is None else address(a) for a in (filters, bias, finish.addend)), *finish.function)

    def input_gradient(self, dy: np.ndarray, weight: np.ndarray) -> np.ndarray | None:
        """The input's gradient, or ``None`` if it is not finite everywhere."""
        owner, dx = self.owner, empty_channels_last(self.x)
        finite = self._compute(1, (owner.winograd_input_gradient_room, owner.winograd_input_gradient),
                               (owner.product_input_gradient_room, owner.product_input_gradient),
                               address(dy), address(weight), address(dx))
        return dx if finite else None

    def filter_gradient(self, x: np.ndarray, dy: np.ndarray) -> np.ndarray | None:
        """The filters' gradient, or ``None`` if it is not finite everywhere."""
        if self.in_padding and not tame(dy):
            return None
        if self.turned is not None:
            return self._turned_filter_gradient(x, dy)
        owner, dweight = self.owner, empty(self.weight)

        def product_room(sizes: Any, threads: int, n: int) -> int:  # is the same for any number of threads
            return owner.product_filter_gradient_room(sizes, n)
        finite = self._compute(2, (owner.winograd_filter_gradient_room, owner.winograd_filter_gradient),
                               (product_room, owner.product_filter_gradient),
                               address(x), address(dy), address(dweight))
        return dweight if finite else None

    def _turned_filter_gradient(self, x: np.ndarray, dy: np.ndarray) -> np.ndarray | None:
        """The same of a 1x1 convolution: the gradients' part in the images, turned over."""
        n, (K, C), sizes = self.x[0], self.weight[:2], self.turned
        turned = empty((C, K, 1, 1))
        room, room_address = scratch(self.owner.product_filter_gradient_room(sizes, n))
        finite = self.owner.product_filter_gradient(library.threads, sizes, n, address(dy), address(x),
                                                    address(turned), room_address)
        del room
        if not finite:
            return None
        dweight = empty(self.weight)  # (C, K) is one image whose K channels lie last
        self.owner.from_channels_last(library.threads, 1, K, C, address(turned), address(dweight))
        return dweight
