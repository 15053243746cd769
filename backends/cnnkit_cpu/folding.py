"""Batch norm in evaluation as a part of the convolution before it; see ``src/norm/channels.h``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit.backends import Call as AnyCall
from cnnkit.backends import decline
from cnnkit.ops.core import Call, run_calls
from cnnkit.ops.folding import reason_against
from cnnkit.shapes import conv_output_shape
from cnnkit_cpu import library
from cnnkit_cpu.conv import infer
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed

SIZES = ("stride", "padding", "dilation", "groups")


def fold_norm(x: np.ndarray, weight: np.ndarray, *arrays: Any, needs: Sequence[bool],
              calls: Sequence[AnyCall]) -> Any:
    """The chains of `cnnkit.ops.folding.fold_norm`, with filters that are made by a call of C."""
    conv, norm, *after = calls
    addend = arrays[5] if len(arrays) > 5 and x.ndim == 4 and after[-1].op.role != "pool" else None
    if reason := reason_against(x, arrays[5:] if addend is None else (), needs, calls):
        return decline(reason)
    numbers = [None if a is None else packed(a) for a in arrays[:5]]
    if any(a is not None and a.dtype != FLOAT for a in (x, weight, *numbers)):
        return decline("it serves float32 arrays")
    if addend is not None:
        shape = conv_output_shape(x.shape, weight.shape, *(conv.attrs[name] for name in SIZES))
        if not (type(addend) is np.ndarray and addend.dtype == FLOAT and addend.shape == shape):
            return decline("an addend is taken in where it is float32 of the result's shape")
    bias, scale, shift, mean, var = (None if a is None else address(a) for a in numbers)
    weight = packed(weight)
    K = weight.shape[0]
    filters, new_bias = empty(weight.shape), empty((K,))
    if not library.active.norm_fold(library.threads, K, weight.size // K, address(weight), bias, mean, var,
                                    scale, shift, norm.attrs["eps"], address(filters), address(new_bias)):
        return decline("weight, bias or statistics of batch normalisation are not finite")
    if x.ndim == 4 and not (after and after[-1].op.role == "pool"):
        activation = after[-1] if after and after[-1].op.role == "activation" else None
        result = infer(x, filters, new_bias, conv.attrs, addend, activation)
        if result is not NotImplemented:
            return (result[0], None, None), None
    folded = [Call(conv.op, conv.attrs, 3), *(Call(call.op, call.attrs, call.count) for call in after)]
    inputs = (x, filters, new_bias) if addend is None else (x, filters, new_bias, addend)
    (y, *_), _ = run_calls(folded, inputs, (False,) * len(inputs))
    return (y, None, None), None
