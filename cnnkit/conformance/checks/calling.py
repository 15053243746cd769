"""Calling an op, a fused chain of ops, or one kernel, with the arrays of a case."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnkit.conformance.expected import expected
from cnnkit.conformance.kernels import serving
from cnnkit.ops import OPS
from cnnkit.ops.core import Call, compose, run_calls

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.op import OpCase
    from cnnkit.conformance.target import Target

__all__ = ["arrays_of", "call", "call_kernel", "has_kernel", "input_names"]


def arrays_of(case: OpCase, target: Target, values: tuple[Any, ...],
              change: Callable[[np.ndarray], Any] | None = None) -> list[Any]:
    """New arrays with a case's inputs, in the memory order of the case or as `change` makes them."""
    return target.arrays(values, change or (target.channels_last if case.channels_last else None))


def call(case: OpCase, target: Target, arrays: Sequence[Any], needs: Sequence[bool],
         fused: bool = True) -> tuple[tuple[Any, ...], Callable[..., Any] | None]:
    """Run the case: an op, or a chain of ops by its fused kernel (op by op where there is none)."""
    attrs = target.attributes(case)
    if len(case.ops) == 1:
        return OPS[case.ops[0]](*arrays, needs=needs, **attrs[0])
    calls = calls_of(case, attrs)
    return run_calls(calls, arrays, tuple(needs)) if fused else compose(calls, arrays, needs)


def calls_of(case: OpCase, attrs: Sequence[Any]) -> list[Call]:
    """The calls of a chain of ops, as its kernel is given them."""
    return [Call(OPS[name], values, count) for name, values, count in zip(case.ops, attrs, case.arities)]


def call_kernel(kernel: Callable[..., Any], case: OpCase, target: Target) -> Any:
    """Call one kernel with a case's arrays, in the first of its dtypes, and return what it returned."""
    arrays = arrays_of(case, target, expected(case, target.dtypes(case)[0]).inputs)
    attrs = target.attributes(case)
    if isinstance(case.kernel, tuple):
        return kernel(*arrays, needs=case.needs, calls=calls_of(case, attrs))
    return kernel(*arrays, needs=case.needs, **attrs[0])


def has_kernel(case: OpCase, target: Target) -> bool:
    """Whether a kernel table that serves `target` now has the case's op or key."""
    return bool(serving(case.kernel, target.tables))


def input_names(case: OpCase) -> list[str]:
    """The names of the op's array parameters."""
    names = []
    for n, (name, count) in enumerate(zip(case.ops, case.arities)):
        parameters = inspect.signature(OPS[name].generic).parameters.values()
        single = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        # an op after the first takes its first array from the one before
        single = single[n > 0:] or [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]
        names += [single[i] if i < len(single) else f"{single[0]}[{i}]" for i in range(count)]
    return names
