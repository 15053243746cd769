"""Folding: a batch normalisation that is no longer trained becomes part of the filters before it (Jacob et
al. 2018, 3.2).

A kernel of chains, for any table: it makes the filters, and leaves the rest to the kernels that there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from cnnkit.backends import Call as AnyCall
from cnnkit.backends import decline, dtype_name, namespace_of, precision_level
from cnnkit.ops.core import Call, run_calls
from cnnkit.shapes import conv_output_shape

__all__ = ["FOLDED", "fold_norm"]

Array = Any
FOLDED = ("conv", "norm", "add?", "activation?", "pool?")  # the pattern of its chains
WORTH = 4  # results for each number of a filter, from which on making filters costs less than it saves


def fold_norm(x: Array, weight: Array, bias: Array | None, scale: Array | None,
              shift: Array | None, mean: Array, var: Array,
              *others: Array, needs: Sequence[bool], calls: Sequence[AnyCall]) -> Any:
    """``conv``, then ``batch_norm`` by its running statistics, then perhaps an activation and a pooling.

    ``(weight * x + bias - mean) / sqrt(var + eps) * scale + shift`` is a convolution with other filters and
    another bias. Nothing is folded where a gradient is wanted, in 16 bits, under
    ``cnnkit.precision("strict")``, and where a batch has so few pixels that the filters take longer.
    """
    conv, norm, *after = calls
    if norm.attrs["training"] or True in needs:
        return decline("batch normalisation is folded in evaluation, where no gradient is wanted")
    if others:
        return decline("an addend comes after batch normalisation")
    if dtype_name(x.dtype) not in ("float32", "float64"):
        return decline(f"filters in {dtype_name(x.dtype)} would be rounded once more")
    if precision_level() == "strict":
        return decline("precision is strict")
    shape = conv_output_shape(x.shape, weight.shape,
                              *(conv.attrs[n] for n in ("stride", "padding", "dilation", "groups")))
    if shape[0] * prod(shape[2:]) < WORTH * prod(weight.shape[1:]):
        return decline("the batch has too few pixels for making filters to be worth it")
    xp = namespace_of(x)
    factor = 1 / xp.sqrt(var + norm.attrs["eps"])
    if scale is not None:
        factor = factor * scale
    moved = -mean * factor if bias is None else (bias - mean) * factor
    if shift is not None:
        moved = moved + shift
    filters = weight * xp.reshape(factor, (-1, *(1,) * (weight.ndim - 1)))
    arrays = x, *(xp.astype(made, x.dtype, copy=False) for made in (filters, moved))
    rest = [Call(conv.op, conv.attrs, 3), *(Call(call.op, call.attrs, call.count) for call in after)]
    (y, *_), _ = run_calls(rest, arrays, (False,) * 3)
    return (y, None, None), None
