"""Unary elementwise ops by one formula on numbers: the line from which loops and cases are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit.conformance.reference.dual import Dual

__all__ = ["Formula"]

Array = np.ndarray


@dataclass(frozen=True)
class Formula:
    """What an elementwise op does to one number.

    Parameters
    ----------
    value : callable
        ``value(x, **attrs)``, by the functions of `cnnkit.conformance.reference.dual`; the slope follows.
    settings : tuple of dict
        The attributes that cases have, without those for which the op lists all choices; the first are tried
        with all kinds of numbers, the others with a few.
    tolerance : {"exact", "rounding", "transcendental"}
        How closely float32 must agree, and why.
    domain : tuple of float
        The open interval in which x must be; the lower end is finite, if any is.
    without : tuple of str
        Cases that are left out for this op; a comment beside each says why.

    >>> square = Formula(lambda x: x * x)
    >>> square.forward(np.array([3.0])), square.gradients(np.array([1.0]), np.array([3.0]))
    (array([9.]), (array([6.]),))
    """

    value: Callable[..., Any]
    settings: tuple[Mapping[str, Any], ...] = ({},)
    tolerance: str = "transcendental"
    domain: tuple[float, float] = (-math.inf, math.inf)
    without: tuple[str, ...] = ()

    def within(self, values: Any) -> Array:
        """Any numbers, brought into the domain.

        >>> import numpy as np
        >>> Formula(abs, domain=(0.0, np.inf)).within([-2.0, 3.0])
        array([2.5, 3.5])
        """
        low, high = self.domain
        if math.isinf(low):
            return np.asarray(values)
        if math.isinf(high):
            return low + 0.5 + np.abs(values)
        return (low + high) / 2 + 0.45 * (high - low) * np.tanh(values)

    def duals(self, x: Array, **attrs: Any) -> list[Dual]:
        """Value and slope of each element, in C order."""
        return [Dual.of(self.value(Dual(float(v), 1.0), **attrs)) for v in x.reshape(-1)]

    def forward(self, x: Array, **attrs: Any) -> Array:
        """The values."""
        return np.array([y.value for y in self.duals(x, **attrs)], dtype=np.float64).reshape(x.shape)

    def gradients(self, dy: Array, x: Array, **attrs: Any) -> tuple[Any, ...]:
        """dy times the slopes."""
        slopes = np.array([y.slope for y in self.duals(x, **attrs)], dtype=np.float64).reshape(x.shape)
        return (dy * slopes,)
