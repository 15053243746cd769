"""Whether gradients fit their parameters, and which parameters have one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.backends import dtype_name

__all__ = ["fit", "with_gradient"]


def fit(arrays: list[Any], grads: list[Any]) -> str:
    """Whether ``"all"`` or ``"some"`` parameters have a gradient, or ``""``, none.

    Raise if one differs from its parameter in shape or dtype.
    """
    missing = 0
    for i, (array, grad) in enumerate(zip(arrays, grads)):
        if grad is None:
            missing += 1
        elif grad.shape != array.shape or grad.dtype != array.dtype:
            expected, actual = (f"{tuple(a.shape)} {dtype_name(a.dtype)}" for a in (array, grad))
            raise ValueError(f"parameter {i} is {expected}, but its grad {actual}; "
                             "they need one shape and dtype")
    return "" if missing == len(arrays) else "some" if missing else "all"


def with_gradient(params: list[Any], grads: list[Any], new: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The parameters that have a gradient, and their new arrays."""
    kept = [(p, array) for p, grad, array in zip(params, grads, new) if grad is not None]
    return [p for p, _ in kept], [array for _, array in kept]
