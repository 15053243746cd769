"""Broadcasting: the shape that several shapes broadcast to, and the way back for gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.dtypes import narrow, wide_sum

Array = Any


def unbroadcast(dy: Array, like: Array) -> Array:
    """Sum a gradient over the axes that broadcasting added or stretched: the shape and dtype of `like`."""
    shape = tuple(like.shape)
    if tuple(dy.shape) != shape:
        xp, extra = namespace_of(dy), dy.ndim - len(shape)
        stretched = (i + extra for i, n in enumerate(shape) if n == 1 and dy.shape[i + extra] != 1)
        axes = (*range(extra), *stretched)
        total = wide_sum(dy, axes)
        # NumPy sums to a scalar, which is no array
        dy = xp.reshape(total, shape) if shape else xp.asarray(total)
    return narrow(dy, like.dtype)  # the other operand may have the wider dtype


def broadcast_shape(name: str, shapes: Sequence[Any]) -> tuple[int, ...]:
    """The shape that two or more shapes broadcast to, or an error that names the op and the shapes."""
    shapes = [tuple(s) for s in shapes]
    result: list[int] = []
    for i in range(1, max(map(len, shapes), default=0) + 1):
        sizes = {s[-i] for s in shapes if len(s) >= i} - {1}
        if len(sizes) > 1:
            raise ValueError(f"{name} got shapes {' and '.join(map(str, shapes))}, which do not broadcast: "
                             f"the sizes differ at axis -{i}, and none is 1")
        result.append(sizes.pop() if sizes else 1)
    return tuple(reversed(result))
