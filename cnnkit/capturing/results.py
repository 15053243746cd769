"""A step's result: Tensors, plain values, and tuples, lists and dicts of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.capturing.dependencies import PLAIN
from cnnkit.capturing.units import Slot

__all__ = ["mapped", "tensors_in"]


def mapped(result: Any, function: Callable[[Any], Any]) -> Any:
    """A step's result with ``function(value)`` in place of its Tensors, or of a plan's slots."""
    if isinstance(result, Tensor | Slot):
        return function(result)
    if isinstance(result, tuple | list):
        values = [mapped(value, function) for value in result]
        return type(result)(*values) if hasattr(result, "_fields") else type(result)(values)
    if isinstance(result, dict):
        return {name: mapped(value, function) for name, value in result.items()}
    if isinstance(result, PLAIN):
        return result
    raise TypeError(f"it returns a {type(result).__name__}; it may return Tensors, plain values, tuples, "
                    "lists and dicts")


def tensors_in(result: Any) -> list[Any]:
    """The Tensors of a step's result, or the slots of a plan's, in order.

    >>> import cnnkit
    >>> tensors_in({"loss": cnnkit.ones(1), "others": [3, None]})
    [tensor([1.])]
    """
    found: list[Any] = []
    mapped(result, found.append)
    return found
