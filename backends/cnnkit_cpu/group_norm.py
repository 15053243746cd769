"""Group and instance norm of images with their channels last in memory; see ``src/norm/groups.h``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnkit_cpu import library
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import empty, packed, scratch


class Images(NamedTuple):
    """Images (N, groups, ...) with their channels last in memory."""

    order: tuple[int, ...]  # of the axes in memory
    sizes: tuple[int, int, int, int]  # images, pixels, channels, groups
    channels: tuple[int, ...]  # the axes before the pixels', but the first

    def like(self, x: np.ndarray) -> np.ndarray:
        """An array of its shape and order of memory, with anything in it."""
        return empty(tuple(x.shape[axis] for axis in self.order)).transpose(np.argsort(self.order).tolist())

    def as_these(self, array: np.ndarray) -> np.ndarray:
        """The array in this order of memory."""
        in_order = array.transpose(self.order)
        if in_order.flags.c_contiguous and in_order.flags.aligned:
            return array
        return packed(in_order).transpose(np.argsort(self.order).tolist())


def images(x: np.ndarray, axes: Sequence[int], *parameters: np.ndarray | None) -> Images | None:
    """What the kernels know of `x`; ``None`` if they do not serve it."""
    if x.ndim < 3 or sorted(axes) != list(range(2, x.ndim)) or x.flags.c_contiguous:
        return None
    for split in (3, 2):  # pixels begin behind two axes of channels, or one
        order = (0, *range(split, x.ndim), *range(1, split))
        flags = x.transpose(order).flags
        if split < x.ndim and flags.c_contiguous and flags.aligned:
            break
    else:
        return None
    for a in parameters:  # one number for each channel
        shape = () if a is None else (1,) * (x.ndim - a.ndim) + a.shape
        if a is not None and (shape[0] != 1 or shape[1:split] != x.shape[1:split] or
                              any(n != 1 for n in shape[split:])):
            return None
    sizes = x.shape[0], math.prod(x.shape[split:]), math.prod(x.shape[1:split]), x.shape[1]
    return Images(order, sizes, tuple(range(1, split)))


def group_norm(layout: Images, x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None,
               needs: Sequence[bool], eps: float) -> tuple:
    """The result and the function that makes the gradients."""
    y, (N, _, C, groups) = layout.like(x), layout.sizes
    weights, shift = (None if a is None else packed(a) for a in (weight, bias))
    mean, rstd = empty((2, N * groups)), empty((N * groups,))
    library.active.group_norm_forward(library.threads, *layout.sizes, eps, address(x), _address(weights),
                                      _address(shift), *map(address, (mean, rstd, y)))
    if True not in needs:
        return y, None

    def backward(dy: np.ndarray) -> tuple:
        dy, dx = layout.as_these(dy), layout.like(x) if needs[0] else None
        dweight, dbias = (empty((C,)) if needed else None for needed in needs[1:])
        room, space = scratch(2 * library.active.group_norm_room(N, C))
        library.active.group_norm_backward(
            library.threads, *layout.sizes, address(x), _address(weights),
            *map(address, (mean, rstd, dy)), *map(_address, (dx, dweight, dbias)), space)
        del room
        return dx, _shaped_like(weight, dweight), _shaped_like(bias, dbias)
    return y, backward


def _shaped_like(parameter: np.ndarray | None, gradient: np.ndarray | None) -> np.ndarray | None:
    return None if parameter is None or gradient is None else gradient.reshape(parameter.shape)


def _address(array: Any) -> int | None:
    return None if array is None else address(array)
