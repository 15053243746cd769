"""Reductions: ReduceSum, ReduceMean, ReduceMax, ReduceMin, ArgMax, ArgMin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnkit.backends import decline, dtype_name
from cnnkit_onnx.drawing import constant, drawn, op, var_of

Array = Any
REDUCING = {"sum": op.reduce_sum, "mean": op.reduce_mean, "max": op.reduce_max, "min": op.reduce_min}
SEARCHING = {"argmax": op.arg_max, "argmin": op.arg_min}


def reducing(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel of a reduction of numbers with a point."""
    def kernel(x: Array, *, axis: Any = None, keepdims: bool = False) -> Any:
        axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
        if dtype_name(x.dtype) not in ("float32", "float64") or not axes or 0 in x.shape:
            return decline("whole or 16-bit numbers, no axes, or no elements")
        return drawn(function(var_of(x), constant([a % x.ndim for a in axes], "int64"),
                              keepdims=int(keepdims)))
    return kernel


def searching(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel of a search along one axis."""
    def kernel(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Any:
        if axis is None or "float" not in dtype_name(x.dtype) or not x.ndim:
            return decline("no axis, or whole numbers")
        return drawn(function(var_of(x), axis=axis % x.ndim, keepdims=int(keepdims)))
    return kernel
