"""The expected outputs and gradients of an op's case, computed by the reference loops."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnkit.conformance.inputs import Draw, seeded
from cnnkit.conformance.reference import evaluate
from cnnkit.ops.dtypes import is_floating

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.op import OpCase

__all__ = ["Expected", "expected"]


@dataclass(frozen=True)
class Expected:
    """A case's inputs, and the results of the reference loops: NumPy arrays, the results in float64."""

    inputs: tuple[Any, ...]
    dy: np.ndarray
    outputs: tuple[Any, ...]
    gradients: tuple[Any, ...]


def _double(value: Any) -> Any:
    return value.astype(np.float64) if isinstance(value, np.ndarray) and is_floating(value.dtype) else value


@functools.cache
def expected(case: OpCase, dtype: str) -> Expected:
    """Draw a case's inputs in `dtype`, and run the reference loops on exactly these values."""
    random = seeded(case.id)
    inputs = tuple(i.values(random, dtype) if isinstance(i, Draw) else i for i in case.inputs)

    def make_dy(shape: tuple[int, ...]) -> np.ndarray:
        kind = "normal" if case.tolerance.rtol else "eighths"
        return _double(Draw(tuple(shape), kind).values(seeded(case.id, "dy"), dtype))
    outputs, dy, gradients = evaluate(case.ops, case.attributes, case.arities, [_double(i) for i in inputs],
                                      make_dy)
    return Expected(inputs, dy.astype(dtype), outputs, gradients)
