"""Checks of an op against other ways to compute it: generic code, ops one by one, finite differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnkit import backends
from cnnkit.backends import dtype_name
from cnnkit.conformance.checks.calling import arrays_of, call, has_kernel, input_names
from cnnkit.conformance.checks.comparing import compare
from cnnkit.conformance.expected import expected

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.op import OpCase
    from cnnkit.conformance.target import Target

__all__ = ["check_directional", "check_fused", "check_generic"]


def check_generic(case: OpCase, target: Target) -> None:
    """The kernel's results have the shapes, dtypes and values (NaN included) of the generic op's."""
    if len(case.ops) > 1 or not has_kernel(case, target):
        return
    _check_same(case, target, "the generic op", generic=True)


def check_fused(case: OpCase, target: Target) -> None:
    """A fused kernel's results are those of its ops one after the other."""
    if len(case.ops) == 1 or not has_kernel(case, target):
        return
    _check_same(case, target, "the ops one by one", generic=False)


def _check_same(case: OpCase, target: Target, other: str, generic: bool) -> None:
    for dtype in target.dtypes(case):
        truth = expected(case, dtype)
        results = []
        for with_kernel in (True, False):
            arrays = arrays_of(case, target, truth.inputs)
            if generic and not with_kernel:
                with backends.tables():
                    outputs, backward = call(case, target, arrays, case.needs, with_kernel)
            else:
                outputs, backward = call(case, target, arrays, case.needs, with_kernel)
            results.append([*outputs, *(backward(target.asarray(truth.dy)) if backward is not None else ())])
        names = [*(f"output {n}" for n in range(len(outputs))),
                 *(f"the gradient of {n}" for n in input_names(case))]
        for name, actual, reference in zip(names, *results):
            compare(f"beside {other}, {name}", case, target, actual,
                    None if reference is None else target.to_numpy(reference), dtype)
            assert actual is None or actual.dtype == reference.dtype, \
                f"{name} is {dtype_name(actual.dtype)}, and that of {other} {dtype_name(reference.dtype)}"


def check_directional(case: OpCase, target: Target) -> None:
    """A second opinion on the generic backward: dy · dY along a direction, by central differences in float64.

    Where the output itself is NaN (the mean over no sample) there is no slope to compare.
    """
    if not case.smooth or not any(case.needs) or not target.has("float64"):
        return
    truth, random, step = expected(case, "float64"), np.random.RandomState(0), 1e-5
    needs = case.needs
    direction = [random.standard_normal(np.shape(v)) if n else None for v, n in zip(truth.inputs, needs)]

    def along(amount: float) -> float:
        inputs = tuple(v if d is None else np.asarray(v + amount * d)
                       for v, d in zip(truth.inputs, direction))
        outputs, _ = call(case, target, arrays_of(case, target, inputs), (False,) * len(needs))
        return float(np.sum(target.to_numpy(outputs[0]) * truth.dy))

    with backends.tables():
        _, backward = call(case, target, arrays_of(case, target, truth.inputs), needs)
        assert backward is not None
        gradients = backward(target.asarray(truth.dy))
        slope = sum(float(np.sum(target.to_numpy(g) * d))
                    for g, d in zip(gradients, direction) if d is not None)
        measured = (along(step) - along(-step)) / (2 * step)
    assert np.isnan(measured) or abs(slope - measured) <= 1e-6 * (1 + abs(slope)), \
        f"along one direction the gradients say {slope:.9g}, and finite differences {measured:.9g}"
