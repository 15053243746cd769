"""The matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.broadcasting import broadcast_shape, unbroadcast
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import widen

Array = Any


def _infer_matmul(shapes: Sequence, dtypes: Sequence) -> tuple:
    x, y = (tuple(s) for s in shapes)
    if not x or not y or x[-1] != (y[-2] if len(y) > 1 else y[0]):
        raise ValueError(f"matmul got shapes {x} and {y}: "
                         "the last axis of the first must equal the second last of the second")
    left = x[:-1] if len(x) > 1 else ()
    right = y[-1:] if len(y) > 1 else ()
    batch = broadcast_shape("matmul", [x[:-2], y[:-2]])
    return (((*batch, *left[-1:], *right), dtypes[0]),)


@op(infer=_infer_matmul, sums=True, torch="torch.matmul", saves={0: (1,), 1: (0,)})
def matmul(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """Matrix product over the last two axes; the others broadcast."""
    xp = namespace_of(x)
    z = xp.matmul(x, y)
    if not any(needs):
        return z, None

    def backward(dz: Array) -> tuple:
        a = x if x.ndim > 1 else xp.expand_dims(x, axis=0)
        b = y if y.ndim > 1 else xp.expand_dims(y, axis=1)
        if x.ndim == 1:
            dz = xp.expand_dims(dz, axis=-1 if y.ndim == 1 else -2)
        if y.ndim == 1:
            dz = xp.expand_dims(dz, axis=-1)
        dx = dy = None
        if needs[0]:
            dx = xp.reshape(_product_like(a, dz, xp.matrix_transpose(b)), tuple(x.shape))
        if needs[1]:
            dy = xp.reshape(_product_like(b, xp.matrix_transpose(a), dz), tuple(y.shape))
        return dx, dy
    return z, backward


def _product_like(like: Array, a: Array, b: Array) -> Array:
    """The product of two batches, summed over the axes of the batch along which `like` was broadcast."""
    if a.shape[:-2] != like.shape[:-2] or b.shape[:-2] != like.shape[:-2]:
        a, b = widen(a), widen(b)  # the products are summed too: nothing is rounded before
    return unbroadcast(namespace_of(a).matmul(a, b), like)
