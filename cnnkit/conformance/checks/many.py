"""The check of sums in sixteen bits: thousands of numbers, beside the generic op in float64."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnkit import backends
from cnnkit.backends import dtype_name
from cnnkit.conformance.checks.calling import call
from cnnkit.conformance.checks.comparing import compare, compare_gradients
from cnnkit.conformance.expected import Expected
from cnnkit.conformance.inputs import Draw, seeded
from cnnkit.conformance.target import Target

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.many import ManyCase

__all__ = ["MANY_CHECKS", "arrays_in", "check_sixteen_bit_sums"]


@functools.cache
def truth(case: ManyCase) -> Expected:
    """The case in float64, by the generic ops on NumPy arrays."""
    random = seeded(case.id)
    inputs = tuple(i.values(random, "float64") if isinstance(i, Draw) else i for i in case.inputs)
    with backends.tables():
        outputs, backward = call(case, Target("numpy"), inputs, case.needs, fused=False)
        dy = Draw(tuple(outputs[0].shape), "halves").values(seeded(case.id, "dy"), "float64")
        gradients = backward(dy) if backward is not None else ()
    return Expected(inputs, dy, outputs, gradients)


def arrays_in(case: ManyCase, target: Target, dtype: str) -> list[Any]:
    """New arrays of a case's inputs, floating-point ones in `dtype`, which holds them exactly."""
    dtypes = [drawn.dtype_beside(dtype) if isinstance(drawn, Draw) else dtype for drawn in case.inputs]
    return [target.asarray(values, name) if isinstance(values, np.ndarray) else values
            for values, name in zip(truth(case).inputs, dtypes)]


def check_sixteen_bit_sums(case: ManyCase, target: Target) -> None:
    """Outputs and gradients are those of float64, rounded to the dtype of the inputs."""
    expected = truth(case)
    for dtype in target.narrow:
        outputs, backward = call(case, target, arrays_in(case, target, dtype), case.needs)
        for n, (output, right) in enumerate(zip(outputs, expected.outputs)):
            compare(f"output {n}", case, target, output, right, dtype)
        actual = dtype_name(outputs[0].dtype)
        assert actual == dtype, f"output 0 is {actual}, and must be {dtype}"
        if any(case.needs):
            assert backward is not None, "backward is None, although gradients are needed"
            gradients = backward(target.asarray(expected.dy, dtype))
            compare_gradients(case, target, gradients, expected.gradients, case.needs, dtype)


MANY_CHECKS = (check_sixteen_bit_sums,)
