"""What a kernel's call should have given: the same ops, one after the other, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cnnkit import backends
from cnnkit.backends import backend_of, dtype_name
from cnnkit.comparing.distance import DIGITS, host
from cnnkit.comparing.tracing import Name, Served
from cnnkit.foreign import is_array
from cnnkit.ops.core import Call, compose

__all__ = ["noise_of", "truth_of"]

Change = Callable[[np.ndarray], np.ndarray]


def truth_of(served: Served, name: Name, change: Change = lambda values: values) -> np.ndarray | None:
    """One output or gradient of a call, computed anew from what the kernel was given; ``None`` for no array.

    Parameters
    ----------
    change : callable
        Makes other numbers of each floating-point array, to see what that changes.
    """
    arrays = [_wide(array, change) for array in served.arrays]
    calls = [Call(call.op, {key: _attribute(key, value) for key, value in call.attrs.items()}, call.count)
             for call in served.calls]
    needs = tuple(served.needs) if name.gradient else (False,) * len(arrays)
    with backends.use("numpy"), backends.tables(), np.errstate(all="ignore"):
        if len(calls) == 1:
            outputs, backward = calls[0].op(*arrays, needs=needs, **calls[0].attrs)
        else:
            outputs, backward = compose(calls, arrays, needs)
        if name.gradient:
            assert backward is not None  # there was a way back
            results, names = backward(*[_wide(dy, change) for dy in served.dys]), list(served.gradients)
        else:
            results, names = outputs, list(served.outputs)
    result = results[names.index(name)]
    return None if result is None else np.asarray(result).astype(np.float64)


def noise_of(served: Served, name: Name, truth: np.ndarray) -> float:
    """How far roundings of the inputs alone move the result: the root mean square.

    Numbers that nearly cancel, as the gradient of a bias before batch norm, are nothing but this.
    """
    generator = np.random.default_rng(0)

    def rounded(values: np.ndarray) -> np.ndarray:
        return values * (1 + 2.0 ** -DIGITS[served.row.dtype][0] * generator.uniform(-0.5, 0.5, values.shape))
    moved = truth_of(served, name, rounded)
    if moved is None or not moved.size:
        return 0.0
    with np.errstate(all="ignore"):
        apart = (moved - truth)[np.isfinite(moved) & np.isfinite(truth)]
    return float(np.sqrt(np.mean(apart ** 2))) if apart.size else 0.0


def _wide(value: Any, change: Change) -> Any:
    """An array on the host, floats in float64; numbers and ``None`` stay what they are."""
    if not is_array(value):
        return value
    if "float" in dtype_name(value.dtype):
        return change(host(value)[0])
    return np.asarray(backend_of(value).to_numpy(value))


def _attribute(name: str, value: Any) -> Any:
    """An op's attribute for NumPy: arrays and dtypes of another library become its own."""
    if name == "dtype":
        return np.dtype("float64" if "float" in dtype_name(value) else dtype_name(value))
    return np.asarray(backend_of(value).to_numpy(value)) if is_array(value) else value
