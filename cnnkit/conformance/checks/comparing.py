"""Comparing a backend's results with the expected ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnkit.backends import dtype_name
from cnnkit.conformance.checks.calling import arrays_of, call, input_names
from cnnkit.conformance.expected import Expected
from cnnkit.conformance.inputs import Draw

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.op import OpCase
    from cnnkit.conformance.kinds.update import UpdateCase
    from cnnkit.conformance.target import Target

__all__ = ["bits", "compare", "compare_gradients", "forward_and_back"]


def compare(label: str, case: OpCase | UpdateCase, target: Target, actual: Any | None,
            expected: np.ndarray | None, dtype: str) -> None:
    """Raise unless `actual` has the expected shape and values, within the case's tolerance at `dtype`.

    What is float32 in a call of 16-bit numbers and parameters of float32 was not rounded to 16 bits.
    """
    if actual is None or expected is None:
        assert actual is None, f"{label} must be None, and is an array of shape {tuple(actual.shape)}"
        assert expected is None, f"{label} is None, and must be an array of shape {np.shape(expected)}"
        return
    got = np.asarray(target.to_numpy(actual))
    assert got.shape == np.shape(expected), \
        f"{label} has shape {got.shape}, and must have {np.shape(expected)} ({dtype})"
    if got.size == 0:
        return
    mixed = any(isinstance(drawn, Draw) and drawn.mixed for drawn in getattr(case, "inputs", ()))
    rtol, atol = case.tolerance.at(dtype_name(actual.dtype) if mixed else dtype)
    got, expected = got.astype(np.float64), np.asarray(expected, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(got - expected)
        close = distance <= atol + rtol * np.abs(expected)
        close |= (got == expected) | (np.isnan(got) & np.isnan(expected))
    if not close.all():
        farthest = np.argmax(np.nan_to_num(distance[~close], nan=np.inf))
        worst = tuple(int(i) for i in np.argwhere(~close)[farthest])
        raise AssertionError(f"{label} is wrong at {np.count_nonzero(~close)} of {close.size} places; "
                             f"at {worst} it is {got[worst]:.9g}, and must be {expected[worst]:.9g} "
                             f"({dtype}: rtol {rtol:g}, atol {atol:g}; {case.tolerance.reason})")


def compare_gradients(case: OpCase, target: Target, gradients: Sequence[Any], expected: Sequence[Any],
                      needs: Sequence[bool], dtype: str) -> None:
    """Raise unless each needed gradient is the expected one, and every other is ``None``."""
    assert len(gradients) == len(needs), \
        f"backward returned {len(gradients)} gradients for {len(needs)} inputs"
    for name, actual, gradient, needed in zip(input_names(case), gradients, expected, needs):
        compare(f"the gradient of {name}", case, target, actual, gradient if needed else None, dtype)


def bits(target: Target, arrays: Sequence[Any]) -> list[bytes | None]:
    """The arrays' exact contents."""
    return [target.to_numpy(a).tobytes() if hasattr(a, "dtype") else None for a in arrays]


def forward_and_back(case: OpCase, target: Target, truth: Expected, dtype: str,
                     change: Callable[[np.ndarray], Any] | None = None) -> None:
    """Run the case forward and back, on arrays that `change` makes, and compare everything with the loops."""
    outputs, backward = call(case, target, arrays_of(case, target, truth.inputs, change), case.needs)
    for n, (output, expected) in enumerate(zip(outputs, truth.outputs)):
        compare(f"output {n}", case, target, output, expected, dtype)
    if any(case.needs):
        assert backward is not None, "backward is None, although gradients are needed"
        order = target.channels_last if case.channels_last else target.asarray
        gradients = backward((change or order)(truth.dy))
        compare_gradients(case, target, gradients, truth.gradients, case.needs, dtype)
