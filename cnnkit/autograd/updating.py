"""Many Tensors at once, for optimizers: arrays of parameters and gradients, and new ones in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.autograd.value import Value

__all__ = ["arrays_of", "gradients_of", "rebind_all"]

Array = Any


def arrays_of(parameters: Sequence[Value]) -> list[Array]:
    """The arrays of parameters, of which none is deferred."""
    return [parameter._value for parameter in parameters]


def gradients_of(parameters: Sequence[Value]) -> list[Array | None]:
    """The arrays of their gradients; ``None`` where a parameter has none."""
    return [None if parameter._grad is None else parameter._grad._value for parameter in parameters]


def rebind_all(parameters: Sequence[Value], gradients: Sequence[Array | None],
               arrays: Sequence[Array]) -> None:
    """`Value.rebind` of every parameter that has a gradient."""
    for parameter, gradient, array in zip(parameters, gradients, arrays):
        if gradient is not None:
            parameter._value = array
            parameter._version[0] += 1
