"""The checks of an optimizer's update: its steps are those of the loops, and it writes into no input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnkit.backends import dtype_name
from cnnkit.conformance.checks.comparing import bits, compare
from cnnkit.conformance.checks.resuming import check_resumed
from cnnkit.conformance.reference.update import stepped
from cnnkit.ops.update import NUMBERS, UPDATES

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.update import UpdateCase
    from cnnkit.conformance.target import Target

__all__ = ["UPDATE_CHECKS"]


def loops(case: UpdateCase, dtype: str) -> list[list[np.ndarray]]:
    """The parameters after each step, number by number in float64."""
    params, grads = case.drawn(dtype)
    values = [p.astype(np.float64) for p in params]
    memories: list[dict] = [{} for _ in values]
    after = []
    for step in grads:
        values = [p if g is None else stepped(case.kernel, p, g.astype(np.float64), memory, case.attrs)
                  for p, g, memory in zip(values, step, memories)]
        after.append(values)
    return after


def steps(case: UpdateCase, target: Target, dtype: str, make: Any = None) -> Iterator[list[Any]]:
    """The parameters after each step, on the target."""
    values, grads = case.drawn(dtype)
    params = [(make or target.asarray)(p) for p in values]
    state: dict = {}
    workspace: dict = {}
    for step in grads:
        gradients = [None if g is None else (make or target.asarray)(g) for g in step]
        params, state = UPDATES[case.kernel](params, gradients, state, workspace=workspace, **case.attrs)
        yield params


def check_steps(case: UpdateCase, target: Target) -> None:
    """After each step the parameters are those of the loops; one without a gradient stays as it is."""
    for dtype in ("float32", "float64"):
        if target.has(dtype):
            for n, (params, expected) in enumerate(zip(steps(case, target, dtype), loops(case, dtype)), 1):
                assert len(params) == len(expected), \
                    f"step {n} returned {len(params)} parameters for {len(expected)}"
                for i, (got, reference) in enumerate(zip(params, expected)):
                    compare(f"parameter {i} after step {n}", case, target, got, reference, dtype)
                    assert got.dtype == target.backend.dtype(dtype), \
                        f"parameter {i} is {got.dtype} after step {n}, and was {dtype}"


def check_update_unchanged(case: UpdateCase, target: Target) -> None:
    """No gradient is written, nor a parameter that the update did not make itself."""
    values, grads = case.drawn("float32")
    params = [target.asarray(p) for p in values]
    gradients = [None if g is None else target.asarray(g) for g in grads[0]]
    before = bits(target, (*params, *gradients))
    new, state = UPDATES[case.kernel](list(params), gradients, {}, workspace={}, **case.attrs)
    second_gradients = [target.asarray(g) for g in grads[1]]
    second_before = bits(target, second_gradients)
    UPDATES[case.kernel](new, second_gradients, state, workspace={}, **case.attrs)
    assert bits(target, (*params, *gradients)) == before, \
        "the update wrote into parameters or gradients that it was given"
    assert bits(target, second_gradients) == second_before, "the second step wrote into its gradients"


def check_update_read_only(case: UpdateCase, target: Target) -> None:
    """Parameters and gradients may be read-only (where the library knows such arrays)."""
    if target.frozen(np.zeros(1, np.float32)) is None:
        return
    try:
        for _ in steps(case, target, "float32", target.frozen):
            pass
    except (ValueError, TypeError, BufferError) as error:
        raise AssertionError(f"with read-only arrays: {type(error).__name__}: {error}") from error


def check_update_repeatable(case: UpdateCase, target: Target) -> None:
    """Two runs give the same bits."""
    runs = [[bits(target, params) for params in steps(case, target, "float32")] for _ in range(2)]
    assert runs[0] == runs[1], "two runs on the same numbers gave different bits"


def check_sixteen_bit_steps(case: UpdateCase, target: Target) -> None:
    """Ten steps in 16 bits are those of float64, each from the parameters before it; the state is float32.

    A gradient of 1e-4 has a square that float16 does not hold.
    """
    for dtype in target.narrow:
        values, steps_drawn = case.drawn("float32")
        params, grads = ([target.asarray(a * scale, dtype) for a in arrays]
                         for arrays, scale in ((values, 1), (steps_drawn[1], 1e-4)))
        numbers = [target.to_numpy(g).astype(np.float64) for g in grads]
        state: dict = {}
        workspace: dict = {}
        memories: list[dict] = [{} for _ in params]
        for n in range(1, 11):
            before = [target.to_numpy(p).astype(np.float64) for p in params]
            params, state = UPDATES[case.kernel](params, grads, state, workspace=workspace, **case.attrs)
            for i, (got, p, g) in enumerate(zip(params, before, numbers)):
                expected = stepped(case.kernel, p, g, memories[i], case.attrs)
                compare(f"parameter {i} after step {n}", case, target, got, expected, dtype)
                assert dtype_name(got.dtype) == dtype, f"parameter {i} is {got.dtype} and was {dtype}"
        for name, column in state.items():
            for i, value in enumerate(column):
                kept = "float32" if type(value) in NUMBERS else dtype_name(value.dtype)
                assert kept == "float32", \
                    f"state {name!r} of parameter {i} is {kept}; that of {dtype} must be float32"


UPDATE_CHECKS = (check_steps, check_sixteen_bit_steps, check_update_unchanged, check_update_read_only,
                 check_update_repeatable, check_resumed)
