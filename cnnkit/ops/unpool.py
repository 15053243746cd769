"""Max unpooling: each number is put at its position in a larger image, where nothing else stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnkit.backends import dtype_name, namespace_of
from cnnkit.foreign import device_of
from cnnkit.ops.core import op
from cnnkit.ops.gathering import is_signed, take

__all__ = ["max_unpool"]

Array = Any


def _infer(shapes: Sequence, dtypes: Sequence, *, size: tuple[int, ...]) -> tuple:
    x, index = (tuple(shape) for shape in shapes)
    if len(x) != len(size) + 2 or index != x:
        raise ValueError(f"max_unpool{len(size)}d takes an input with {len(size) + 2} axes, and indices of "
                         f"its shape; got {x} and {index}")
    if not is_signed(dtypes[1]):
        raise TypeError(f"max_unpool{len(size)}d needs indices of int64 (or a smaller signed integer); got "
                        f"{dtype_name(dtypes[1])}. Convert them with .to(dtype='int64')")
    return (((*x[:2], *size), dtypes[0]),)


@op(infer=_infer, saves={0: (1,)})
def max_unpool(x: Array, index: Array, *, needs: Sequence[bool], size: tuple[int, ...]) -> tuple:
    """The images of `size` that have each number at its position, 0 elsewhere: (N, C, P, Q) -> (N, C, H, W).

    Of numbers at the same position the last one counts; all of them get that position's gradient.

    Parameters
    ----------
    x : array, (N, C, P, Q)
        The numbers.
    index : array of int64, of x's shape
        Positions in an image of H * W pixels, as `max_pool_with_indices` gives them.
    size : tuple of int
        (H, W), or of any other rank.
    """
    xp, shape, pixels = namespace_of(x), tuple(x.shape), math.prod(size)
    planes = shape[0] * shape[1]
    start = xp.arange(planes, dtype=index.dtype, device=device_of(index)) * pixels
    flat = xp.reshape(xp.reshape(index, (planes, math.prod(shape[2:]))) + xp.reshape(start, (-1, 1)), (-1,))
    if math.prod(shape) and pixels:
        order = xp.argsort(flat, stable=True)
        ordered = xp.take(flat, order)
        every = xp.arange(planes * pixels, dtype=flat.dtype, device=device_of(flat))
        ends = xp.searchsorted(ordered, every, side="right")
        last = xp.where(ends > 0, ends - 1, xp.zeros_like(ends))
        y = xp.take(xp.reshape(x, (-1,)), xp.take(order, last))
        y = xp.where(xp.take(ordered, last) == every, y, xp.zeros_like(y))
        y = xp.reshape(y, (*shape[:2], *size))
    else:
        y = xp.zeros((*shape[:2], *size), dtype=x.dtype, device=device_of(x))

    def backward(dy: Array) -> tuple:
        (dx,), _ = take(xp.reshape(dy, (-1,)), flat, axis=0)
        return xp.reshape(dx, shape), None
    return y, backward if needs[0] else None
