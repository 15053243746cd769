"""ndonnx's Array API namespace, with what it lacks, and plain operators where it would draw a branch.

Sizes are known while a graph is drawn, so nothing needs an If for arrays that might be empty.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

__all__ = ["Namespace"]

Array = Any


class Namespace:
    """The functions that cnnkit's ops call on lazy arrays."""

    def __init__(self) -> None:
        self._ndonnx = importlib.import_module("ndonnx")
        self.__name__ = "ndonnx"

    def take(self, x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
        """ndonnx takes positions of int64 only."""
        return self._ndonnx.take(x, self._ndonnx.astype(indices, self._ndonnx.int64), axis=axis)

    def matmul(self, x: Array, y: Array, /) -> Array:
        """MatMul."""
        from cnnkit_onnx.drawing import drawn, op, var_of

        if x.dtype != y.dtype or 0 in (*x.shape, *y.shape):
            return self._ndonnx.matmul(x, y)
        return drawn(op.matmul(var_of(x), var_of(y)))

    def max(self, x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        """ReduceMax."""
        return self._extreme("max", x, axis, keepdims)

    def min(self, x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        """ReduceMin."""
        return self._extreme("min", x, axis, keepdims)

    def any(self, x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        """The maximum of 0 and 1."""
        return self._extreme("max", self._truth(x), axis, keepdims) == 1

    def all(self, x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        """The minimum of 0 and 1."""
        return self._extreme("min", self._truth(x), axis, keepdims) == 1

    def _truth(self, x: Array) -> Array:
        return self._ndonnx.astype(self._ndonnx.astype(x, self._ndonnx.bool), self._ndonnx.int32)

    def _extreme(self, name: str, x: Array, axis: Any, keepdims: bool) -> Array:
        from cnnkit_onnx.drawing import constant, drawn, op, var_of

        given = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = [a % x.ndim for a in given]
        if not axes or 0 in x.shape:
            return getattr(self._ndonnx, name)(x, axis=axis, keepdims=keepdims)
        reduce = {"max": op.reduce_max, "min": op.reduce_min}[name]
        return drawn(reduce(var_of(x), constant(axes, "int64"), keepdims=int(keepdims)))

    def cumulative_prod(self, x: Array, /, *, axis: int = 0) -> Array:
        """Products of 2, 4, 8, ... neighbours; ndonnx would take logarithms, which negative numbers lack."""
        before, n, step = (slice(None),) * (axis % x.ndim), x.shape[axis], 1
        while step < n:
            later = x[(*before, slice(step, None), ...)] * x[(*before, slice(None, n - step), ...)]
            x = self._ndonnx.concat([x[(*before, slice(None, step), ...)], later], axis=axis % x.ndim)
            step *= 2
        return x

    def atan2(self, x: Array, y: Array, /) -> Array:
        """The angle by the arc tangent of a quotient."""
        xp = self._ndonnx
        x, y = xp.broadcast_arrays(x, y)
        vertical = y == 0
        angle = xp.atan(x / xp.where(vertical, xp.ones_like(y), y))
        half_turn = xp.where(x < 0, xp.full_like(x, -math.pi), xp.full_like(x, math.pi))
        upright = xp.where(x == 0, xp.zeros_like(x), half_turn / 2)
        return xp.where(vertical, upright, xp.where(y < 0, angle + half_turn, angle))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name == "_ndonnx":
            raise AttributeError(name)
        return getattr(self._ndonnx, name)
