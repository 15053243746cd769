"""Unary elementwise ops: one function of numbers for every element, declared by itself and its derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.core import Op, op
from cnnkit.ops.dtypes import need_floating

__all__ = ["UNARY", "elementwise", "same_attributes"]

Array = Any

UNARY: dict[str, Op] = {}  # every op that `elementwise` declared, by name


def same_attributes(order: tuple[int, ...], **attrs: Any) -> dict[str, Any]:
    """What an elementwise op's attributes are where the axes of its arrays are permuted: the same."""
    return attrs


def elementwise(*, from_x: Callable[..., Array] | None = None, from_y: Callable[..., Array] | None = None,
                from_dy: Callable[..., Array] | None = None, integers: bool = False,
                **properties: Any) -> Callable[[Callable[..., Any]], Op]:
    """Declare an op of one array whose result has its shape and dtype.

    The decorated function is called as ``f(xp, x, **attrs)``, `xp` being the array's namespace, and uses the
    Array API only. It returns y, or a tuple of y and whatever else the derivative would compute again.

    Parameters
    ----------
    from_x, from_y, from_dy : callable
        One of the three returns dy times the derivative, written from whatever is cheapest:
        ``from_x(xp, dy, x, *kept, **attrs)``, ``from_y(xp, dy, y, *kept, **attrs)``, or
        ``from_dy(xp, dy, **attrs)``, for which nothing is saved. It multiplies by dy itself, because where
        the derivative is 0 an infinite dy must not make NaN.
    integers : bool
        Whether integers are taken too; otherwise they raise TypeError.
    properties
        Other properties of the op; see `Op`. A value that is not among its `choices` raises.
    """
    derivatives = [derivative for derivative in (from_x, from_y, from_dy) if derivative is not None]
    if len(derivatives) != 1:
        raise TypeError("an elementwise op has one derivative: from_x=..., from_y=... or from_dy=...; "
                        f"got {len(derivatives)}")
    derivative = derivatives[0]
    saved = {0: ("output",) if from_y else (0,)} if from_dy is None else {}

    def declare(function: Callable[..., Any]) -> Op:
        name = function.__name__

        def infer(shapes: Sequence, dtypes: Sequence, **attrs: Any) -> tuple:
            if not integers:
                need_floating(name, dtypes[0])
            for setting, values in declared.choices.items():
                if attrs[setting] not in values:
                    raise ValueError(f"{name} takes {setting}={' or '.join(map(repr, values))}; "
                                     f"got {attrs[setting]!r}")
            return ((shapes[0], dtypes[0]),)

        def generic(x: Array, *, needs: Sequence[bool], **attrs: Any) -> tuple:
            xp = namespace_of(x)
            results = function(xp, x, **attrs)
            y, *kept = results if isinstance(results, tuple) else (results,)
            if not needs[0]:
                return y, None
            saved = () if from_dy else (y if from_y else x, *kept)
            if not x.ndim:  # NumPy makes scalars of 0-d results
                return y, lambda dy: (xp.asarray(derivative(xp, dy, *saved, **attrs)),)
            return y, lambda dy: (derivative(xp, dy, *saved, **attrs),)

        generic.__name__, generic.__doc__ = name, function.__doc__
        generic.__module__, generic.__qualname__ = function.__module__, function.__qualname__  # for `explain`
        UNARY[name] = declared = op(infer=infer, saves=saved, permuted=same_attributes, **properties)(generic)
        return declared
    return declare
