"""Reductions: sum, mean, maximum, and where the maximum is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.backends import dtype_name, namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.precision import is_narrow, narrow, wide_mean, wide_sum, widen

Array = Any

TORCH_NAMES = {"axis": "dim", "keepdims": "keepdim"}


def _axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    for a in axes:
        if not -ndim <= a < ndim:
            raise IndexError(f"{name} got axis {a} for an array with {ndim} axes")
    normalized = tuple(a % ndim for a in axes)
    if len(set(normalized)) < len(normalized):
        raise ValueError(f"{name} got axes {tuple(axes)}, and one of them twice")
    return normalized


def _infer_reduction(name: str) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence, *, axis: Any, keepdims: bool) -> tuple:
        axes = _axes(name, axis, len(shapes[0]))
        if keepdims:
            shape = tuple(1 if i in axes else n for i, n in enumerate(shapes[0]))
        else:
            shape = tuple(n for i, n in enumerate(shapes[0]) if i not in axes)
        return ((shape, dtypes[0]),)
    return infer


def _stretch(dy: Array, like: Array, axes: tuple[int, ...]) -> Array:
    """Broadcast a reduction's gradient back over the axes it was reduced over."""
    xp = namespace_of(dy)
    shape = tuple(1 if i in axes else n for i, n in enumerate(like.shape))
    return xp.broadcast_to(xp.reshape(dy, shape), tuple(like.shape))


@op(infer=_infer_reduction("sum"), sums=True, saves={}, torch="torch.sum", torch_names=TORCH_NAMES)
def sum(x: Array, *, needs: Sequence[bool], axis: Any = None, keepdims: bool = False) -> tuple:
    """Sum over `axis`, of float16 and bfloat16 added up in float32."""
    axes = _axes("sum", axis, x.ndim)
    y = wide_sum(x, axes, keepdims)
    return (narrow(y, x.dtype) if is_narrow(x.dtype) else y,  # small integers become large ones
            (lambda dy: (_stretch(dy, x, axes),)) if needs[0] else None)


@op(infer=_infer_reduction("mean"), sums=True, saves={}, torch="torch.mean", torch_names=TORCH_NAMES)
def mean(x: Array, *, needs: Sequence[bool], axis: Any = None, keepdims: bool = False) -> tuple:
    """Mean over `axis`, of float16 and bfloat16 added up in float32."""
    axes = _axes("mean", axis, x.ndim)
    if "float" not in dtype_name(x.dtype):
        raise TypeError(f"mean needs floating-point numbers; got {dtype_name(x.dtype)}. "
                        "Convert with .to(dtype='float32')")
    count = math.prod(x.shape[a] for a in axes)

    def backward(dy: Array) -> tuple:  # the count may be larger than float16's largest number
        share = narrow(widen(dy) / count, dy.dtype) if count else dy
        return (_stretch(share, x, axes),)
    return narrow(wide_mean(x, axes, keepdims), x.dtype), backward if needs[0] else None


def _infer_extremum(shapes: Sequence, dtypes: Sequence, *, axis: Any, keepdims: bool) -> tuple:
    axes = _axes("max", axis, len(shapes[0]))
    if any(shapes[0][a] == 0 for a in axes):
        raise ValueError(f"max over an empty axis of an array of shape {tuple(shapes[0])}")
    return _infer_reduction("max")(shapes, dtypes, axis=axis, keepdims=keepdims)


@op(infer=_infer_extremum, saves={0: (0, "output")})
def max(x: Array, *, needs: Sequence[bool], axis: Any = None, keepdims: bool = False) -> tuple:
    """Maximum over `axis`; equal maxima share the gradient equally, as in PyTorch's ``amax``."""
    xp, axes = namespace_of(x), _axes("max", axis, x.ndim)
    y = xp.max(x, axis=axes, keepdims=keepdims)
    if not needs[0]:
        return y, None

    def backward(dy: Array) -> tuple:
        is_maximum = xp.astype(x == _stretch(y, x, axes), x.dtype)
        count = wide_sum(is_maximum, axes, keepdims=True)
        return (narrow(_stretch(dy, x, axes) * is_maximum / count, x.dtype),)
    return y, backward


def _infer_argmax(shapes: Sequence, dtypes: Sequence, *, axis: int | None, keepdims: bool) -> tuple:
    axes = _axes("argmax", axis, len(shapes[0]))
    if any(shapes[0][a] == 0 for a in axes):
        raise ValueError(f"argmax over an empty axis of an array of shape {tuple(shapes[0])}")
    return (None,)


@op(infer=_infer_argmax, differentiable=0, torch="torch.argmax", torch_names=TORCH_NAMES)
def argmax(x: Array, *, needs: Sequence[bool], axis: int | None = None, keepdims: bool = False) -> tuple:
    """Position of the first maximum along `axis`, or in the flattened array."""
    return namespace_of(x).argmax(x, axis=axis, keepdims=keepdims), None
