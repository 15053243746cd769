"""Checks of an op that is called twice: the same bits again, and results that belong to their call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnkit.conformance.checks.calling import arrays_of, call
from cnnkit.conformance.checks.comparing import bits
from cnnkit.conformance.expected import expected

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.op import OpCase
    from cnnkit.conformance.target import Target

__all__ = ["check_independent", "check_repeatable"]


def check_repeatable(case: OpCase, target: Target) -> None:
    """Two runs give the same bits, and so does a second backward of one run."""
    dtype = target.dtypes(case)[0]
    truth = expected(case, dtype)
    runs = []
    for _ in range(2):
        outputs, backward = call(case, target, arrays_of(case, target, truth.inputs), case.needs)
        gradients = backward(target.asarray(truth.dy)) if backward is not None else ()
        runs.append(bits(target, (*outputs, *gradients)))
    assert runs[0] == runs[1], "two runs on the same numbers gave different bits"
    if backward is not None:
        again = bits(target, (*outputs, *backward(target.asarray(truth.dy))))
        assert again == runs[1], "a second backward (retain_graph=True) gave different bits"


def check_independent(case: OpCase, target: Target) -> None:
    """Results belong to their call: a second call with other numbers changes none of the first one's."""
    dtype = target.dtypes(case)[0]
    truth = expected(case, dtype)
    others = tuple(np.roll(v, 1) if isinstance(v, np.ndarray) else v for v in truth.inputs)
    dy = target.asarray(truth.dy)
    first, first_back = call(case, target, arrays_of(case, target, truth.inputs), case.needs)
    output_bits = bits(target, first)
    gradients = first_back(dy) if first_back is not None else ()
    gradient_bits = bits(target, gradients)
    _, back = call(case, target, arrays_of(case, target, others), case.needs)
    if back is not None:
        back(target.asarray(np.roll(truth.dy, 1)))
    assert bits(target, first) == output_bits, "a second call changed the outputs of the first"
    assert bits(target, gradients) == gradient_bits, \
        "a second call changed gradients that the first had returned"
    if first_back is not None:
        assert bits(target, first_back(dy)) == gradient_bits, \
            "a second call changed what the first backward computes"
