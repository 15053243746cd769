"""Batch normalisation that is no longer trained, folded into the filters before it (Jacob et al. 2018, 3.2).

A kernel of chains that any table may hold: it makes the new filters and calls other kernels with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from cnnkit.backends import Call as AnyCall
from cnnkit.backends import decline, dtype_name, namespace_of, precision_level
from cnnkit.ops.core import Call, run_calls
from cnnkit.shapes import conv_output_shape

__all__ = ["CONV_CHAIN", "NORM_OR_ADD", "fold_norm", "reason_against"]

Array = Any
CONV_CHAIN = ("conv", "norm?", "add?", "activation?", "pool?")  # the pattern that tables give `fold_norm` for
NORM_OR_ADD = "batch normalisation or an addition comes after the convolution"  # why other kernels decline
MIN_RESULTS = 4  # results per number of a filter from which on folding saves more time than it costs


def fold_norm(x: Array, weight: Array, bias: Array | None, *arrays: Any, needs: Sequence[bool],
              calls: Sequence[AnyCall], read: bool = True) -> Any:
    """``conv``, then ``batch_norm`` by its running statistics, then perhaps an activation and a pooling.

    ``(weight * x + bias - mean) / sqrt(var + eps) * scale + shift`` is a convolution with other filters and
    another bias. Nothing is folded where a gradient is wanted, in 16 bits, under
    ``cnnkit.precision("strict")``, and where a batch has so few pixels that making the filters takes longer.

    Filters that are not finite would make NaN where the ops one by one make infinity, so such channels are
    not folded. To know it, their numbers are read; with ``read=False``, for devices that would be waited for,
    they are folded all the same.
    """
    reason = reason_against(x, arrays[4:], needs, calls)
    if reason or has_few_results(x, weight, calls[0]):
        return decline(reason or "the batch has too few pixels for making filters to be worth it")
    conv, norm, *after = calls
    scale, shift, mean, var = arrays
    xp = namespace_of(x)
    factor = 1 / xp.sqrt(var + norm.attrs["eps"])
    if scale is not None:
        factor = factor * scale
    new_bias = -mean * factor if bias is None else (bias - mean) * factor
    if shift is not None:
        new_bias = new_bias + shift
    if read and not bool(xp.all(xp.isfinite(factor * new_bias))):
        return decline("weight, bias or statistics of batch normalisation are not finite")
    filters = weight * xp.reshape(factor, (-1, *(1,) * (weight.ndim - 1)))
    arrays = x, *(xp.astype(array, x.dtype, copy=False) for array in (filters, new_bias))
    folded = [Call(conv.op, conv.attrs, 3), *(Call(call.op, call.attrs, call.count) for call in after)]
    (y, *_), _ = run_calls(folded, arrays, (False,) * 3)
    return (y, None, None), None


def reason_against(x: Array, others: Sequence[Any], needs: Sequence[bool],
                   calls: Sequence[AnyCall]) -> str:
    """Why such a chain is not folded, as far as its form and settings say; nothing where it is."""
    norm = calls[1]
    if norm.op.role != "norm":
        return "no batch normalisation comes after the convolution"
    if norm.attrs["training"] or True in needs:
        return "batch normalisation is folded in evaluation, where no gradient is wanted"
    if others:
        return "an addend comes after batch normalisation"
    if dtype_name(x.dtype) not in ("float32", "float64"):
        return f"filters in {dtype_name(x.dtype)} would be rounded once more"
    if precision_level() == "strict":
        return "precision is strict"
    return ""


def has_few_results(x: Array, weight: Array, conv: AnyCall) -> bool:
    """Whether a convolution has so few results that making filters for it takes longer than it saves."""
    shape = conv_output_shape(x.shape, weight.shape,
                              *(conv.attrs[n] for n in ("stride", "padding", "dilation", "groups")))
    return shape[0] * prod(shape[2:]) < MIN_RESULTS * prod(weight.shape[1:])
