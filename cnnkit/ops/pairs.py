"""Functions of two numbers, for each pair of elements, with broadcasting: declared by partial derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.broadcasting import broadcast_shape, unbroadcast
from cnnkit.ops.core import Op, op
from cnnkit.ops.unary import same_attributes

Array = Any


def pairwise(*, by_x: Callable[..., Array] | None = None, by_y: Callable[..., Array] | None = None,
             **properties: Any) -> Callable[[Callable[..., Any]], Op]:
    """Declare an op of two arrays of one dtype; the decorated function is called as ``f(xp, x, y)``.

    Parameters
    ----------
    by_x, by_y : callable
        ``by_x(xp, dz, x, y)``: dz times the derivative by x. Without both, the op has no gradient.
    properties
        Other properties of the op; see `Op`.
    """
    def declare(function: Callable[..., Any]) -> Op:
        name = function.__name__

        def infer(shapes: Sequence, dtypes: Sequence) -> tuple:
            return ((broadcast_shape(name, shapes), dtypes[0]),)

        def generic(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
            xp = namespace_of(x)
            z = function(xp, x, y)
            if not any(needs) or by_x is None or by_y is None:
                return z, None

            def backward(dz: Array) -> tuple:
                return (unbroadcast(by_x(xp, dz, x, y), x) if needs[0] else None,
                        unbroadcast(by_y(xp, dz, x, y), y) if needs[1] else None)
            return z, backward

        generic.__name__, generic.__doc__ = name, function.__doc__
        return op(infer=infer, differentiable=0 if by_x is None else 1, permuted=same_attributes,
                  **properties)(generic)
    return declare


def _shared(xp: Any, dz: Array, wins: Array, ties: Array) -> Array:
    """dz where it wins, half of it at ties, else 0; also NaN, which equals nothing, gets it."""
    return xp.where(ties, dz / 2, xp.where(wins, dz, xp.zeros_like(dz)))


@pairwise(by_x=lambda xp, dz, x, y: _shared(xp, dz, ~(x <= y), x == y),
          by_y=lambda xp, dz, x, y: _shared(xp, dz, ~(y <= x), x == y), torch="torch.maximum")
def maximum(xp: Any, x: Array, y: Array) -> Array:
    """The larger of x and y; NaN if either is; equal ones share the gradient."""
    return xp.maximum(x, y)


@pairwise(by_x=lambda xp, dz, x, y: _shared(xp, dz, ~(x >= y), x == y),
          by_y=lambda xp, dz, x, y: _shared(xp, dz, ~(y >= x), x == y), torch="torch.minimum")
def minimum(xp: Any, x: Array, y: Array) -> Array:
    """The smaller of x and y; NaN if either is; equal ones share the gradient."""
    return xp.minimum(x, y)


def _inverse_square(xp: Any, dz: Array, x: Array, y: Array) -> Array:
    """dz / (x * x + y * y), and 0 at (0, 0)."""
    square = x * x + y * y
    zero = square == 0
    return xp.where(zero, xp.zeros_like(dz), dz / xp.where(zero, xp.ones_like(square), square))


@pairwise(by_x=lambda xp, dz, x, y: _inverse_square(xp, dz, x, y) * y,
          by_y=lambda xp, dz, x, y: -_inverse_square(xp, dz, x, y) * x, torch="torch.atan2")
def atan2(xp: Any, x: Array, y: Array) -> Array:
    """The angle of the point (y, x): the tangent is x / y, and the signs say which quadrant."""
    return xp.atan2(x, y)


@pairwise(by_x=lambda xp, dz, x, y: dz, by_y=lambda xp, dz, x, y: -dz * xp.floor(x / y),
          torch="torch.remainder")
def remainder(xp: Any, x: Array, y: Array) -> Array:
    """What division rounded down leaves: it has y's sign."""
    return xp.remainder(x, y)


@pairwise(by_x=lambda xp, dz, x, y: dz, by_y=lambda xp, dz, x, y: -dz * xp.trunc(x / y), torch="torch.fmod")
def fmod(xp: Any, x: Array, y: Array) -> Array:
    """What division rounded toward 0 leaves: it has x's sign."""
    rest = xp.remainder(xp.abs(x), xp.abs(y))
    return xp.where(x < 0, -rest, rest)


@pairwise(torch="torch.floor_divide")
def floor_divide(xp: Any, x: Array, y: Array) -> Array:
    """x / y rounded down."""
    return xp.floor_divide(x, y)


# -- bits of integers ----------------------------------------------------------------------------------------

@pairwise(torch="torch.bitwise_and")
def bitwise_and(xp: Any, x: Array, y: Array) -> Array:
    """The bits that both have."""
    return x & y


@pairwise(torch="torch.bitwise_or")
def bitwise_or(xp: Any, x: Array, y: Array) -> Array:
    """The bits that either has."""
    return x | y


@pairwise(torch="torch.bitwise_xor")
def bitwise_xor(xp: Any, x: Array, y: Array) -> Array:
    """The bits that one of the two has."""
    return x ^ y


@pairwise(torch="torch.bitwise_left_shift")
def bitwise_left_shift(xp: Any, x: Array, y: Array) -> Array:
    """x times 2 ** y."""
    return x << y


@pairwise(torch="torch.bitwise_right_shift")
def bitwise_right_shift(xp: Any, x: Array, y: Array) -> Array:
    """x divided by 2 ** y, rounded down."""
    return x >> y


@op(differentiable=0, torch="torch.bitwise_not")
def bitwise_not(x: Array, *, needs: Sequence[bool]) -> tuple:
    """Every bit the other one: -x - 1 of integers, and the opposite of truth values."""
    return ~x, None
