"""What functions of Tensors check and count: axes by number, and sizes given one by one or as a tuple."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

__all__: list[str] = []  # for this package alone


def axis_of(name: str, dim: Any, ndim: int) -> int:
    """An axis counted from the front; a Tensor without axes may be asked for its axis 0 or -1, as in PyTorch.

    Raises
    ------
    IndexError
        If there is no such axis.

    >>> axis_of("flip", -1, 3)
    2
    """
    axis, count = operator.index(dim), ndim or 1
    if not -count <= axis < count:
        raise IndexError(f"{name} got axis {axis} for a Tensor with {ndim} axes; they are {-count} to "
                         f"{count - 1}")
    return axis % count


def axes_of(name: str, dims: Any, ndim: int) -> tuple[int, ...]:
    """Several axes (or one), none of them twice, counted from the front.

    >>> axes_of("flip", (-1, 0), 3)
    (2, 0)
    """
    numbers = dims if isinstance(dims, Iterable) and not hasattr(dims, "__index__") else (dims,)
    axes = tuple([axis_of(name, dim, ndim) for dim in numbers])
    if len(set(axes)) < len(axes):
        raise RuntimeError(f"{name} got axes {tuple(numbers)}, and one of them twice")
    return axes


def sizes_of(given: tuple[Any, ...], named: Any = None) -> tuple[int, ...]:
    """``(2, 3)`` from ``f(2, 3)``, from ``f((2, 3))`` and from ``f(name=(2, 3))``."""
    if named is not None:
        given = (named,)
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], tuple | list) else given
