"""The largest, the smallest and the middle element, over all axes or one, and where they are.

Over one axis, ``max``, ``min`` and ``median`` give a pair ``(values, indices)``, and the gradient goes to the
element at the index; over all axes, and in ``amax`` and ``amin``, equal elements share it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnkit import backends
from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.conversion import to
from cnnkit.autograd.functions.limits import maximum, minimum
from cnnkit.autograd.functions.reduction import axes_of
from cnnkit.autograd.value import Value
from cnnkit.ops import elementwise, gathering, reduction, shaping
from cnnkit.ops.core import Op

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "median", "min", "nanmedian", "quantile"]


class ValuesAndIndices(NamedTuple):
    """Elements along an axis, and where they were."""

    values: Any
    indices: Any


class Range(NamedTuple):
    """The smallest and the largest element."""

    min: Any
    max: Any


def amax(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The largest element over `dim`, an axis or several; equal ones share the gradient.

    >>> import cnnkit
    >>> cnnkit.amax(cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([2., 4.])
    """
    return _extreme(reduction.max, input, dim, keepdim)


def amin(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The smallest element over `dim`, an axis or several; equal ones share the gradient.

    >>> import cnnkit
    >>> cnnkit.amin(cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([1., 3.])
    """
    return _extreme(reduction.min, input, dim, keepdim)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Range:
    """The smallest and the largest element at once, as ``(min, max)``.

    >>> import cnnkit
    >>> cnnkit.aminmax(cnnkit.tensor([1.0, 3.0, 2.0])).max
    tensor(3.)
    """
    return Range(amin(input, dim, keepdim), amax(input, dim, keepdim))


def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The largest element of all; along `dim`, ``(values, indices)``; with another Tensor, `maximum`.

    >>> import cnnkit
    >>> x = cnnkit.tensor([[1.0, 5.0], [3.0, 4.0]])
    >>> values, indices = cnnkit.max(x, dim=1)
    >>> values, indices, x.max()
    (tensor([5., 4.]), tensor([1, 1]), tensor(5.))
    """
    if isinstance(dim, Value) or other is not None:
        return maximum(input, dim if other is None else other)
    return _along(reduction.max, reduction.argmax, input, dim, keepdim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The smallest element of all; along `dim`, ``(values, indices)``; with another Tensor, `minimum`.

    >>> import cnnkit
    >>> x = cnnkit.tensor([[1.0, 5.0], [3.0, 4.0]])
    >>> values, indices = cnnkit.min(x, dim=1)
    >>> values, indices, x.min()
    (tensor([1., 3.]), tensor([0, 0]), tensor(1.))
    """
    if isinstance(dim, Value) or other is not None:
        return minimum(input, dim if other is None else other)
    return _along(reduction.min, reduction.argmin, input, dim, keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Position of the (first) maximum along `dim`, or in the flattened Tensor.

    >>> import cnnkit
    >>> cnnkit.argmax(cnnkit.tensor([[1.0, 2.0], [5.0, 4.0]]), dim=1)
    tensor([1, 0])
    """
    return _position(reduction.argmax, input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Position of the (first) minimum along `dim`, or in the flattened Tensor.

    >>> import cnnkit
    >>> cnnkit.argmin(cnnkit.tensor([[1.0, 2.0], [5.0, 4.0]]), dim=1)
    tensor([0, 1])
    """
    return _position(reduction.argmin, input, dim, keepdim)


def _comparable(input: Value) -> Any:
    """Truth values as numbers: libraries order no others."""
    return to(input, dtype="uint8") if input.dtype == "bool" else input


def _extreme(op: Op, input: Value, dim: Any, keepdim: bool) -> Tensor:
    found = apply(op, _comparable(input), axis=axes_of(input, dim), keepdims=keepdim)
    return to(found, dtype=input.dtype)


def _position(op: Op, input: Value, dim: int | None, keepdim: bool) -> Tensor:
    axes = axes_of(input, dim)
    return apply(op, _comparable(input.detach()), axis=axes, keepdims=keepdim)  # type: ignore[attr-defined]


def _along(extreme: Op, position: Op, input: Tensor, dim: int | None, keepdim: bool) -> Any:
    if dim is None:
        return _extreme(extreme, input, None, keepdim)
    if not input.ndim:
        axes_of(input, dim)  # refuses all but 0 and -1
        return ValuesAndIndices(input.clone(), _position(position, input, None, False))
    indices = _position(position, input, dim, True)
    return _at(input, indices, dim, keepdim)


def _at(input: Tensor, indices: Tensor, dim: int, keepdim: bool) -> ValuesAndIndices:
    """The elements at positions along `dim`, an axis of size 1 that stays with `keepdim`."""
    values = apply(gathering.take_along_axis, input, indices, axis=dim)
    if keepdim:
        return ValuesAndIndices(values, indices)
    return ValuesAndIndices(values.squeeze(dim), indices.squeeze(dim))


# -- the middle ----------------------------------------------------------------------------------------------

def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element, of two the smaller; along `dim`, ``(values, indices)``. NaN if there is one.

    >>> import cnnkit
    >>> x = cnnkit.tensor([[1.0, 5.0, 2.0]])
    >>> x.median(), x.median(dim=1).indices
    (tensor(2.), tensor([2]))
    """
    return _middle(input, dim, keepdim, skip_nan=False)


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of what is not NaN.

    >>> import cnnkit
    >>> cnnkit.nanmedian(cnnkit.tensor([1.0, float("nan"), 2.0]))
    tensor(1.)
    """
    return _middle(input, dim, keepdim, skip_nan=True)


def _middle(input: Tensor, dim: int | None, keepdim: bool, skip_nan: bool) -> Any:
    if dim is None:
        flat = input.reshape(-1)
        value = _middle(flat.detach(), 0, False, skip_nan).values
        same = (flat == value) | ((flat != flat) & (value != value))  # noqa: PLR0124 - NaN too
        count = same.sum().to(dtype=input.dtype)
        if not input.dtype.is_floating_point:
            return value
        # the value itself, and the gradient shared by the elements that equal it
        shared = apply(elementwise.where, same, flat, 0).sum() / count
        return value + (shared - shared.detach()) if input.requires_grad else value
    if not input.ndim:
        axes_of(input, dim)
        return ValuesAndIndices(input.clone(), to(input.detach() * 0, dtype="int64"))
    array = _comparable(input.detach()).array
    xp, axis = backends.namespace_of(array), dim % input.ndim
    with backends.on(array):
        order = xp.argsort(array, axis=axis, stable=True)  # NaN comes last
        missing = xp.sum(xp.astype(xp.isnan(array), xp.int64), axis=axis, keepdims=True) if (
            input.dtype.is_floating_point) else xp.zeros_like(xp.take(order, xp.asarray([0]), axis=axis))
    numbers: Any = input.shape[axis] - Value.result(missing)  # type: ignore[operator]
    last = input.shape[axis] - 1
    middle = (numbers - 1).clamp(min=0) // 2 if skip_nan else (numbers - 1) // 2
    if not skip_nan:
        middle = apply(elementwise.where, numbers == last + 1, middle, last)
    indices = apply(gathering.take_along_axis, Value.result(order), to(middle, dtype="int64"), axis=axis)
    return _at(input, indices, axis, keepdim)


def quantile(input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
             interpolation: str = "linear") -> Tensor:
    """What the part `q` of the elements is below, between two elements by `interpolation`.

    Parameters
    ----------
    q : float or Tensor, () or (k,)
        From 0 to 1; several make a new first axis.
    interpolation : str
        ``"linear"``, ``"lower"``, ``"higher"``, ``"midpoint"`` or ``"nearest"``.

    >>> import cnnkit
    >>> cnnkit.quantile(cnnkit.tensor([1.0, 2.0, 3.0, 5.0]), 0.5)
    tensor(2.5)
    """
    x = input.reshape(-1) if dim is None else input.reshape(1) if not input.ndim else input
    axis = 0 if dim is None or not input.ndim else dim % input.ndim
    single = not isinstance(q, Value) or not q.ndim
    given: Any = q
    parts: list = [*given.reshape(-1)] if isinstance(q, Value) else [q]
    if [p for p in parts if not 0 <= float(p) <= 1]:
        raise RuntimeError(f"quantile needs q from 0 to 1; got {q}")
    array = x.detach().array
    with backends.on(array):
        order: Any = Value.result(backends.namespace_of(array).argsort(array, axis=axis, stable=True))
    ordered = apply(gathering.take_along_axis, x, order, axis=axis)
    before = (slice(None),) * axis
    results = [_between(ordered, before, p * (x.shape[axis] - 1), interpolation) for p in parts]
    unknown = (x != x).any(axis, True)  # noqa: PLR0124 - NaN alone is not itself
    results = [apply(elementwise.where, unknown, float("nan"), result) for result in results]
    if dim is None and keepdim:
        results = [result.reshape((1,) * input.ndim) for result in results]
    elif not keepdim or not input.ndim:
        results = [result.squeeze(axis) for result in results]
    if single:
        return results[0]
    return apply(shaping.concat, *[result.unsqueeze(0) for result in results], axis=0)


def _between(ordered: Tensor, before: tuple, place: Any, interpolation: str) -> Any:
    """What stands at `place`, a number or a Tensor without axes, which may lie between two whole numbers."""
    low, high = math.floor(float(place)), math.ceil(float(place))
    part = {"linear": place - low, "lower": 0.0, "higher": 1.0, "midpoint": 0.5,
            "nearest": float(round(float(place)) - low)}.get(interpolation)
    if part is None:
        raise RuntimeError("quantile has interpolation 'linear', 'lower', 'higher', 'midpoint' or 'nearest'; "
                           f"got {interpolation!r}")
    first, second = (ordered[(*before, slice(i, i + 1))] for i in (low, high))
    return first + part * (second - first)


class ExtremeMethods(Value):
    """Extremes, as a Tensor's methods."""

    __slots__ = ()

    amax = amax
    amin = amin
    aminmax = aminmax
    argmax = argmax
    argmin = argmin
    max = max
    median = median
    min = min
    nanmedian = nanmedian
    quantile = quantile
