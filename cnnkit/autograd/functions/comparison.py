"""Comparisons of elements, and questions about them; the results are truth values, without gradients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cnnkit import backends
from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.operands import floating, pair, wrapped
from cnnkit.autograd.value import Value
from cnnkit.ops import elementwise

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["allclose", "eq", "equal", "ge", "greater", "greater_equal", "gt", "heaviside", "isclose",
           "isfinite", "isinf", "isnan", "isneginf", "isposinf", "isreal", "le", "less", "less_equal",
           "lt", "ne", "not_equal", "signbit"]


def eq(input: Any, other: Any) -> Tensor:
    """Whether each element equals the other's.

    >>> import cnnkit
    >>> cnnkit.eq(cnnkit.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return apply(elementwise.equal, input, other)


def ne(input: Any, other: Any) -> Tensor:
    """Whether each element differs from the other's.

    >>> import cnnkit
    >>> cnnkit.ne(cnnkit.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return apply(elementwise.not_equal, input, other)


def lt(input: Any, other: Any) -> Tensor:
    """Whether each element is less than the other's.

    >>> import cnnkit
    >>> cnnkit.lt(cnnkit.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return apply(elementwise.less, input, other)


def le(input: Any, other: Any) -> Tensor:
    """Whether each element is at most the other's.

    >>> import cnnkit
    >>> cnnkit.le(cnnkit.tensor([1, 2, 3]), 2)
    tensor([ True,  True, False])
    """
    return apply(elementwise.less_equal, input, other)


def gt(input: Any, other: Any) -> Tensor:
    """Whether each element is greater than the other's.

    >>> import cnnkit
    >>> cnnkit.gt(cnnkit.tensor([1, 2, 3]), 2)
    tensor([False, False,  True])
    """
    return apply(elementwise.greater, input, other)


def ge(input: Any, other: Any) -> Tensor:
    """Whether each element is at least the other's.

    >>> import cnnkit
    >>> cnnkit.ge(cnnkit.tensor([1, 2, 3]), 2)
    tensor([False,  True,  True])
    """
    return apply(elementwise.greater_equal, input, other)


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two Tensors have one shape and the same elements.

    >>> import cnnkit
    >>> cnnkit.equal(cnnkit.tensor([1, 2]), cnnkit.tensor([1, 2]))
    True
    """
    return input.shape == other.shape and _all(eq(input, other))


def isnan(input: Tensor) -> Tensor:
    """Whether each element is NaN.

    >>> import cnnkit
    >>> cnnkit.isnan(cnnkit.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """
    return apply(elementwise.not_equal, input, input)


def isinf(input: Tensor) -> Tensor:
    """Whether each element is infinite.

    >>> import cnnkit
    >>> cnnkit.isinf(cnnkit.tensor([1.0, float("-inf")]))
    tensor([False,  True])
    """
    return apply(elementwise.equal, _size(input), math.inf)


def isposinf(input: Tensor) -> Tensor:
    """Whether each element is infinite, above 0.

    >>> import cnnkit
    >>> cnnkit.isposinf(cnnkit.tensor([float("inf"), float("-inf")]))
    tensor([ True, False])
    """
    return apply(elementwise.equal, floating(input), math.inf)


def isneginf(input: Tensor) -> Tensor:
    """Whether each element is infinite, below 0.

    >>> import cnnkit
    >>> cnnkit.isneginf(cnnkit.tensor([float("inf"), float("-inf")]))
    tensor([False,  True])
    """
    return apply(elementwise.equal, floating(input), -math.inf)


def isfinite(input: Tensor) -> Tensor:
    """Whether each element is neither infinite nor NaN.

    >>> import cnnkit
    >>> cnnkit.isfinite(cnnkit.tensor([1.0, float("nan"), float("inf")]))
    tensor([ True, False, False])
    """
    return apply(elementwise.less, _size(input), math.inf)


def _size(input: Tensor) -> Tensor:
    return apply(elementwise.abs, floating(input.detach()))


def isreal(input: Tensor) -> Tensor:
    """Whether each element is a real number: all are.

    >>> import cnnkit
    >>> cnnkit.isreal(cnnkit.tensor([1.0]))
    tensor([ True])
    """
    same = input == input  # noqa: PLR0124 - false for NaN alone
    return apply(elementwise.where, same, same, True)


def signbit(input: Tensor) -> Tensor:
    """Whether each element has a minus sign, also -0.

    >>> import cnnkit
    >>> cnnkit.signbit(cnnkit.tensor([1.0, -0.0, -2.0]))
    tensor([False,  True,  True])
    """
    if not input.dtype.is_floating_point:
        return input.to(dtype="int64") < 0
    array = input.array
    with backends.on(array):
        return Value.result(backends.namespace_of(array).signbit(array))  # type: ignore[return-value]


def isclose(input: Tensor, other: Any, rtol: float = 1e-05, atol: float = 1e-08,
            equal_nan: bool = False) -> Tensor:
    """Whether each element is within ``atol + rtol * abs(other)`` of the other's.

    >>> import cnnkit
    >>> cnnkit.isclose(cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([1.0, 2.1]))
    tensor([ True, False])
    """
    other = wrapped(other)
    if input.dtype != other.dtype:
        raise RuntimeError(f"isclose needs one dtype for both; got {input.dtype} and {other.dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose needs tolerances, 0 or more; got rtol={rtol} and atol={atol}")
    x, y = input.detach(), other.detach()
    close: Any = eq(x, y)
    if equal_nan:
        close = apply(elementwise.where, isnan(x), isnan(y), close)
    if x.dtype == "bool":
        return close
    x, y = floating(x), floating(y)
    x, y = (v.to(dtype="float64") if "float64" in v._backend().dtypes else v for v in (x, y))
    finite = isfinite(y)
    limit = atol + rtol * apply(elementwise.abs, apply(elementwise.where, finite, y, 0.0))
    near = le(apply(elementwise.abs, apply(elementwise.where, finite, x, 1.0)
                    - apply(elementwise.where, finite, y, 1.0)), limit)
    return apply(elementwise.where, finite, apply(elementwise.where, close, close, near), close)


def allclose(input: Tensor, other: Any, rtol: float = 1e-05, atol: float = 1e-08,
             equal_nan: bool = False) -> bool:
    """Whether all elements are close; see `isclose`.

    >>> import cnnkit
    >>> cnnkit.allclose(cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([1.0, 2.0 + 1e-6]))
    True
    """
    return _all(isclose(input, other, rtol, atol, equal_nan))


def _all(truth: Value) -> bool:
    array = truth.array
    with backends.on(array):
        return bool(backends.namespace_of(array).all(array))


def heaviside(input: Tensor, values: Any) -> Tensor:
    """0 below 0, 1 above, and `values` at 0.

    >>> import cnnkit
    >>> cnnkit.heaviside(cnnkit.tensor([-1.0, 0.0, 2.0]), cnnkit.tensor(0.5))
    tensor([0. , 0.5, 1. ])
    """
    if input.dtype != values.dtype:
        raise RuntimeError(f"heaviside needs one dtype for both; got {input.dtype} and {values.dtype}")
    x, y = pair(input.detach(), values.detach())
    return apply(elementwise.where, x == 0, y, (x > 0).to(dtype=x.dtype))


not_equal = ne
less = lt
less_equal = le
greater = gt
greater_equal = ge


class ComparisonMethods(Value):
    """Comparisons, as a Tensor's methods."""

    __slots__ = ()

    allclose = allclose
    eq = eq
    equal = equal
    greater_equal = ge
    ge = ge
    greater = gt
    gt = gt
    heaviside = heaviside
    isclose = isclose
    isfinite = isfinite
    isinf = isinf
    isnan = isnan
    isneginf = isneginf
    isposinf = isposinf
    isreal = isreal
    less_equal = le
    le = le
    less = lt
    lt = lt
    not_equal = ne
    ne = ne
    signbit = signbit
