"""Chains of ops: an op and the ReLU after it, which one kernel computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from cnnkit.backends import Call, decline
from cnnkit.ops.rank import by_rank_2


def then_relu(op: Any, function: Callable) -> Callable:
    """The kernel of `op` with ReLU, from ``function(*arrays, needs, attrs, relu)``, the kernel of `op`."""
    reason = f"it serves {op.name} with ReLU"

    @wraps(function)
    def kernel(*arrays: Any, needs: Sequence[bool], calls: Sequence[Call]) -> Any:
        if len(calls) != 2 or calls[0].op is not op or calls[1].op.name != "relu":
            return decline(reason)
        if arrays[0].ndim == 3:
            return by_rank_2(kernel, arrays, needs, {"calls": calls})
        return function(*arrays, needs, calls[0].attrs, relu=True)
    return kernel
