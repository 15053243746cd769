"""Optimizer updates: their cases, and the checks that a table's update kernels must pass."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit.conformance.case import SUMS, Tolerance
from cnnkit.conformance.checks import bits, compare
from cnnkit.conformance.reference.update import UPDATES as REFERENCES
from cnnkit.conformance.target import Target
from cnnkit.ops.update import UPDATES

__all__ = ["UPDATE_CASES", "UPDATE_CHECKS", "UpdateCase"]

SHAPES = ((3, 4), (5,), (2, 3, 1, 1), (), (0, 2))
STEPS = 3


@dataclass(frozen=True, eq=False)
class UpdateCase:
    """Three steps of an optimizer on some parameters; the second one has no gradient at the first step."""

    op: str
    name: str
    attrs: Mapping[str, Any]
    tolerance: Tolerance = SUMS
    half: bool = False

    @property
    def ops(self) -> tuple[str, ...]:
        """The update that is called."""
        return (self.op,)

    @property
    def id(self) -> str:
        """What reports call it: ``sgd-momentum``."""
        return f"{self.op}-{self.name}"

    def __repr__(self) -> str:
        return f"<case {self.id}>"


SGD = {"lr": 0.1, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "maximize": False}
ADAM = {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False, "decoupled": False,
        "maximize": False}

UPDATE_CASES = (
    *(UpdateCase("sgd", name, {**SGD, **changes}) for name, changes in (
        ("plain", {}), ("momentum", {"momentum": 0.9}), ("nesterov", {"momentum": 0.9, "nesterov": True}),
        ("dampening", {"momentum": 0.8, "dampening": 0.5}), ("weight-decay", {"weight_decay": 0.1}),
        ("everything", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "maximize": True}))),
    *(UpdateCase("adam", name, {**ADAM, **changes}) for name, changes in (
        ("plain", {}), ("betas-eps", {"betas": (0.5, 0.9), "eps": 1e-3}), ("weight-decay", {"weight_decay": 0.1}),
        ("decoupled-weight-decay", {"weight_decay": 0.1, "decoupled": True}), ("amsgrad", {"amsgrad": True, "betas": (0.5, 0.5)}),
        ("maximize", {"maximize": True}))),
)


@functools.cache
def drawn(case: UpdateCase, dtype: str) -> tuple[list, list]:
    """The parameters, and the gradients of each step."""
    random = np.random.RandomState(zlib.crc32(case.id.encode()))
    params = [np.asarray(random.standard_normal(s)).astype(dtype) for s in SHAPES]
    grads: list = [[np.asarray(random.standard_normal(s) / (1 + step)).astype(dtype) for s in SHAPES] for step in range(STEPS)]
    grads[0][1] = None
    return params, grads


def loops(case: UpdateCase, dtype: str) -> list[list[np.ndarray]]:
    """The parameters after each step, number by number in float64."""
    params, grads = drawn(case, dtype)
    values = [p.astype(np.float64) for p in params]
    memory: dict = {}
    after = []
    for step in grads:
        for i, (p, g) in enumerate(zip(values, step)):
            for at in np.ndindex(p.shape) if g is not None else ():
                p[at], memory[i, at] = REFERENCES[case.op](float(p[at]), float(g[at]), memory.get((i, at), {}), **case.attrs)
        after.append([p.copy() for p in values])
    return after


def steps(case: UpdateCase, target: Target, dtype: str, make: Any = None) -> Iterator[list]:
    """The parameters after each step, on the target."""
    params, grads = drawn(case, dtype)
    made = [(make or target.asarray)(p) for p in params]
    state: dict = {}
    workspace: dict = {}
    for step in grads:
        given = [None if g is None else (make or target.asarray)(g) for g in step]
        made, state = UPDATES[case.op](made, given, state, workspace=workspace, **case.attrs)
        yield made


def check_steps(case: UpdateCase, target: Target) -> None:
    """After each step the parameters are those of the loops; one without a gradient stays as it is."""
    for dtype in ("float32", "float64"):
        if target.has(dtype):
            for n, (params, wanted) in enumerate(zip(steps(case, target, dtype), loops(case, dtype)), 1):
                assert len(params) == len(wanted), f"step {n} returned {len(params)} parameters for {len(wanted)}"
                for i, (got, right) in enumerate(zip(params, wanted)):
                    compare(f"parameter {i} after step {n}", case, target, got, right, dtype)
                    assert got.dtype == target.backend.dtype(dtype), f"parameter {i} is {got.dtype} after step {n}, and was {dtype}"


def check_update_unchanged(case: UpdateCase, target: Target) -> None:
    """No gradient is written, nor a parameter that somebody else made."""
    values, grads = drawn(case, "float32")
    params, given = [target.asarray(p) for p in values], [None if g is None else target.asarray(g) for g in grads[0]]
    before = bits(target, (*params, *given))
    new, state = UPDATES[case.op](list(params), given, {}, workspace={}, **case.attrs)
    later = [target.asarray(g) for g in grads[1]]
    kept = bits(target, later)
    UPDATES[case.op](new, later, state, workspace={}, **case.attrs)
    assert bits(target, (*params, *given)) == before, "the update wrote into parameters or gradients that it was given"
    assert bits(target, later) == kept, "the second step wrote into its gradients"


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


UPDATE_CHECKS = (check_steps, check_update_unchanged, check_update_read_only, check_update_repeatable)
