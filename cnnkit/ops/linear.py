"""The dense layer's op: a matrix product with the weight's transpose, and the bias."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnkit.backends import dtype_name, namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import narrow, wide_sum

Array = Any


def _infer(shapes: Sequence, dtypes: Sequence) -> tuple:
    x, weight, bias = shapes
    if len(weight) != 2 or not x or x[-1] != weight[1]:
        raise ValueError(f"linear got an input of shape {tuple(x)} and a weight of shape {tuple(weight)}; "
                         "it needs (..., in) and (out, in)")
    if bias is not None and tuple(bias) != (weight[0],):
        raise ValueError(f"linear got a bias of shape {tuple(bias)} for a weight of shape {tuple(weight)}; "
                         f"it needs ({weight[0]},)")
    if dtypes[0] != dtypes[1] or (bias is not None and dtypes[2] != dtypes[0]):
        names = [dtype_name(d) for d in dtypes if d is not None]
        raise TypeError(f"linear needs one dtype; input, weight and bias are {', '.join(names)}. "
                        f"Convert the input with .to(dtype={names[1]!r}), "
                        f"or the layer with Module.to(dtype={names[0]!r})")
    return (((*x[:-1], weight[0]), dtypes[0]),)


@op(infer=_infer, sums=True, torch="torch.nn.functional.linear", saves={0: (1,), 1: (0,)})
def linear(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool]) -> tuple:
    """x @ weight.T + bias: x is (..., in), weight (out, in), bias (out,) or None; the result (..., out)."""
    xp = namespace_of(x)
    y = xp.matmul(x, xp.matrix_transpose(weight))
    if bias is not None:
        y = y + bias
    if not any(needs):
        return y, None

    def backward(dy: Array) -> tuple:
        dx = xp.matmul(dy, weight) if needs[0] else None
        dweight = dbias = None
        if needs[1] or needs[2]:
            rows = math.prod(dy.shape[:-1])
            dy = xp.reshape(dy, (rows, weight.shape[0]))
            if needs[1]:
                dweight = xp.matmul(xp.matrix_transpose(dy), xp.reshape(x, (rows, weight.shape[1])))
            if needs[2]:
                dbias = narrow(wide_sum(dy, 0), dy.dtype)
        return dx, dweight, dbias
    return y, backward
