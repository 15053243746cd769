"""Reductions: sum, mean, product, extremes and where they are, and whether all or any are true."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.backends import dtype_name, namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import is_narrow, narrow, wide_mean, wide_sum, widen

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


@op(infer=_infer_reduction("prod"), sums=True, saves={0: (0,)})
def prod(x: Array, *, needs: Sequence[bool], axis: Any = None, keepdims: bool = False) -> tuple:
    """Product over `axis`, of float16 and bfloat16 multiplied in float32."""
    xp, axes = namespace_of(x), _axes("prod", axis, x.ndim)
    wide = widen(x)
    y = xp.prod(wide, axis=axes, keepdims=keepdims)

    def backward(dy: Array) -> tuple:
        # of a single 0 the derivative is the product of the others, which have none; of two all have none
        zero = wide == 0
        zeros = xp.sum(xp.astype(zero, wide.dtype), axis=axes, keepdims=True)
        others = xp.where(zero, xp.ones_like(wide), wide)
        rest = xp.broadcast_to(xp.prod(others, axis=axes, keepdims=True), tuple(x.shape))
        alone = xp.where(zero, zeros == 1, zeros == 0)
        return (narrow(_stretch(dy, x, axes) * xp.where(alone, rest / others, xp.zeros_like(rest)), x.dtype),)
    return narrow(y, x.dtype) if is_narrow(x.dtype) else y, backward if needs[0] else None


def _infer_extremum(name: str) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence, *, axis: Any, keepdims: bool) -> tuple:
        axes = _axes(name, axis, len(shapes[0]))
        if 0 in [shapes[0][a] for a in axes]:
            raise ValueError(f"{name} over an empty axis of an array of shape {tuple(shapes[0])}")
        return _infer_reduction(name)(shapes, dtypes, axis=axis, keepdims=keepdims)
    return infer


def _extremum(name: str, x: Array, needs: Sequence[bool], axis: Any, keepdims: bool) -> tuple:
    """The array library's `name` over `axis`; elements that equal it share the gradient equally."""
    xp, axes = namespace_of(x), _axes(name, axis, x.ndim)
    y = getattr(xp, name)(x, axis=axes, keepdims=keepdims)
    if not needs[0]:
        return y, None

    def backward(dy: Array) -> tuple:
        extreme = xp.astype(x == _stretch(y, x, axes), x.dtype)
        count = wide_sum(extreme, axes, keepdims=True)
        return (narrow(_stretch(dy, x, axes) * extreme / count, x.dtype),)
    return y, backward


@op(infer=_infer_extremum("max"), saves={0: (0, "output")})
def max(x: Array, *, needs: Sequence[bool], axis: Any = None, keepdims: bool = False) -> tuple:
    """Maximum over `axis`; equal maxima share the gradient equally, as in PyTorch's ``amax``."""
    return _extremum("max", x, needs, axis, keepdims)


@op(infer=_infer_extremum("min"), saves={0: (0, "output")})
def min(x: Array, *, needs: Sequence[bool], axis: Any = None, keepdims: bool = False) -> tuple:
    """Minimum over `axis`; equal minima share the gradient equally, as in PyTorch's ``amin``."""
    return _extremum("min", x, needs, axis, keepdims)


def _infer_position(name: str) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence, *, axis: int | None, keepdims: bool) -> tuple:
        _infer_extremum(name)(shapes, dtypes, axis=axis, keepdims=keepdims)
        return (None,)
    return infer


@op(infer=_infer_position("argmax"), differentiable=0, torch="torch.argmax", torch_names=TORCH_NAMES)
def argmax(x: Array, *, needs: Sequence[bool], axis: int | None = None, keepdims: bool = False) -> tuple:
    """Position of the first maximum along `axis`, or in the flattened array."""
    return namespace_of(x).argmax(x, axis=axis, keepdims=keepdims), None


@op(infer=_infer_position("argmin"), differentiable=0, torch="torch.argmin", torch_names=TORCH_NAMES)
def argmin(x: Array, *, needs: Sequence[bool], axis: int | None = None, keepdims: bool = False) -> tuple:
    """Position of the first minimum along `axis`, or in the flattened array."""
    return namespace_of(x).argmin(x, axis=axis, keepdims=keepdims), None


def _infer_truth(name: str) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence, *, axis: Any, keepdims: bool) -> tuple:
        _axes(name, axis, len(shapes[0]))
        return (None,)
    return infer


@op(infer=_infer_truth("all"), differentiable=0)
def all(x: Array, *, needs: Sequence[bool], axis: Any = None, keepdims: bool = False) -> tuple:
    """Whether every element over `axis` is true, that is, not 0."""
    return namespace_of(x).all(x, axis=_axes("all", axis, x.ndim), keepdims=keepdims), None


@op(infer=_infer_truth("any"), differentiable=0)
def any(x: Array, *, needs: Sequence[bool], axis: Any = None, keepdims: bool = False) -> tuple:
    """Whether some element over `axis` is true, that is, not 0."""
    return namespace_of(x).any(x, axis=_axes("any", axis, x.ndim), keepdims=keepdims), None
