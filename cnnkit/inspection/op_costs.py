"""Operations and bytes of a kernel's call, from the shapes of what it is given.

`costs` counts for layers; here ops are counted, alone or in a chain. A multiplication, an addition, a
comparison are one each, and a function such as exp one too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnkit.backends import dtype_name
from cnnkit.foreign import has_shape, is_array

__all__ = ["bytes_of", "flops_of"]

Shape = tuple[int, ...]
Rule = Callable[[Sequence[Any], Shape, Mapping[str, Any]], int]

MOVING = ("reshape", "permute", "concat", "take", "slice", "pad", "astype", "broadcast_to", "flip", "roll")
NORMALIZING = 5  # operations an element: mean, deviation, its square, quotient, and so on


def _conv(shapes: Sequence[Shape], output: Shape, attrs: Mapping[str, Any]) -> int:
    return 2 * math.prod(output) * math.prod(shapes[1][1:])


RULES: dict[str, Rule] = {
    "conv": _conv,
    "conv_input": lambda shapes, output, attrs: 2 * math.prod(shapes[0]) * math.prod(shapes[1][1:]),
    "conv_filters": lambda shapes, output, attrs: 2 * math.prod(shapes[1]) * math.prod(output[1:]),
    "linear": lambda shapes, output, attrs: 2 * math.prod(output) * shapes[0][-1],
    "matmul": lambda shapes, output, attrs: 2 * math.prod(output) * shapes[0][-1],
    **dict.fromkeys(("max_pool", "avg_pool"), lambda shapes, output, attrs:
                    math.prod(attrs["kernel_size"]) * math.prod(output)),
    **dict.fromkeys(("batch_norm", "standardize"), lambda shapes, output, attrs:
                    NORMALIZING * math.prod(output)),
    **dict.fromkeys(MOVING, lambda shapes, output, attrs: 0),
}
PRODUCTS = ("conv", "conv_input", "conv_filters", "linear", "matmul")


def flops_of(calls: Sequence[Any], arrays: Sequence[Any], needs: Sequence[bool] = ()) -> int | None:
    """Operations of a chain of ops; ``None`` where an op's result has no shape before it is computed.

    Parameters
    ----------
    calls : sequence of Call
    arrays : sequence
        What the kernel is given.
    needs : sequence of bool
        Which of these want gradients: those are counted then, instead of the way forward.

    >>> import numpy as np
    >>> from cnnkit.ops import OPS
    >>> from cnnkit.ops.core import Call
    >>> x, weight = np.ones((4, 3), np.float32), np.ones((2, 3), np.float32)
    >>> flops_of([Call(OPS["linear"], {}, 3)], [x, weight, None])
    48
    >>> flops_of([Call(OPS["linear"], {}, 3)], [x, weight, None], (True, True, False))
    96
    """
    total, start = 0, 0
    given: Any = None  # shape and dtype of what the op before gives
    for call in calls:
        inputs = arrays[start:start + call.count]
        shapes: list[Any] = [None if a is None else tuple(a.shape) if has_shape(a) else () for a in inputs]
        dtypes: list[Any] = [a.dtype if is_array(a) else None for a in inputs]
        first = start == 0
        if not first:
            shapes, dtypes = [given[0], *shapes], [given[1], *dtypes]
        if call.op.infer is None:
            return None
        given = call.op.infer(shapes, dtypes, **call.attrs)[0]
        count = RULES.get(call.op.name, _elementwise)(shapes, given[0], call.attrs)
        if needs and call.op.name in PRODUCTS:
            count *= sum(needs[start:start + call.count][:2 if first else 1]) + (not first)
        total += count
        start += call.count
    return total


def bytes_of(*values: Any) -> int:
    """Bytes of all arrays among the values, and in lists, tuples and dicts among them; each counts once."""
    seen: dict[int, int] = {}

    def add(value: Any) -> None:
        if isinstance(value, list | tuple):
            for part in value:
                add(part)
        elif isinstance(value, dict):
            add([*value.values()])
        elif is_array(value) and has_shape(value):
            bits = int("".join(filter(str.isdigit, dtype_name(value.dtype))) or 8)  # a bool has a byte
            seen[id(value)] = math.prod(value.shape) * bits // 8
    add(values)
    return sum(seen.values())


def _elementwise(shapes: Sequence[Any], output: Shape, attrs: Mapping[str, Any]) -> int:
    return math.prod(output)
