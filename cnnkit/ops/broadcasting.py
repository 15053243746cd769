"""Broadcasting: the shape that several shapes broadcast to, and the way back for gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cnnkit.backends import namespace_of

Array = Any


class _Shaped(NamedTuple):
    shape: tuple[int, ...]
    dtype: Any


def unbroadcast(dy: Array, like: Array) -> Array:
    """Sum a gradient over the axes that broadcasting added or stretched: the shape and dtype of `like`."""
    shape = tuple(like.shape)
    if dy.dtype != like.dtype:  # the other operand has the wider dtype
        return namespace_of(dy).astype(unbroadcast(dy, _Shaped(shape, dy.dtype)), like.dtype)
    if tuple(dy.shape) == shape:
        return dy
    xp = namespace_of(dy)
    extra = dy.ndim - len(shape)
    axes = (*range(extra), *(i + extra for i, n in enumerate(shape) if n == 1 and dy.shape[i + extra] != 1))
    total = xp.sum(dy, axis=axes)
    # NumPy sums to a scalar, which is no array
    return xp.reshape(total, shape) if shape else xp.asarray(total)


def broadcast_shape(name: str, shapes: Sequence) -> tuple[int, ...]:
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
