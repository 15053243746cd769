"""Checks of where NaN and infinity stand: a kernel's results beside those of the generic ops.

The rule, and why it has two exceptions, is told in ``docs/numbers.md``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cnnkit import backends
from cnnkit.conformance.checks.calling import arrays_of, call, calls_of, has_kernel, input_names
from cnnkit.conformance.expected import expected
from cnnkit.conformance.inputs import seeded
from cnnkit.ops import OPS
from cnnkit.ops.core import compose
from cnnkit.ops.dtypes import is_floating

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.op import OpCase
    from cnnkit.conformance.target import Target

__all__ = ["Placement", "check_nonfinite", "check_placement", "placements"]

LARGE = {"float16": 6e4, "float32": 1e38, "float64": 1e308}  # three of them have a finite sum, four have not
DY = -1  # as a slot
READONLY = "numpy-readonly"  # has the same kernels as numpy


class Placement(NamedTuple):
    """A number at some places of one array of a case.

    Attributes
    ----------
    dtype : str
        Of the case.
    slot : int
        Which of the inputs it is; -1 for the gradient of the result.
    value : float
        Infinite, NaN, or a number so large that sums of a few overflow.
    number : int
        At how many places it stands, at most.
    """

    dtype: str
    slot: int
    value: float
    number: int

    def places(self, case: OpCase, size: int) -> np.ndarray:
        """Where, counted in C order."""
        words = case.id, *(str(field) for field in self)
        return seeded(*words).randint(0, size, self.number)


def placements(case: OpCase, target: Target) -> Iterator[Placement]:
    """Every number that the rule speaks of, at one place and at three, in every array of a case."""
    for dtype in target.dtypes(case):
        truth = expected(case, dtype)
        slots = [n for n, array in enumerate((*truth.inputs, truth.dy if any(case.needs) else None))
                 if isinstance(array, np.ndarray) and is_floating(array.dtype) and array.size]
        for slot in slots:
            for value in (np.inf, -np.inf, np.nan, LARGE[dtype], -LARGE[dtype]):
                for number in (1, 3):
                    yield Placement(dtype, slot if slot < len(truth.inputs) else DY, value, number)


def check_nonfinite(case: OpCase, target: Target) -> None:
    """NaN and infinity stand where they do in the generic op's results, for one number in each array."""
    if not has_kernel(case, target) or target.name == READONLY:
        return
    by_slot: dict[int, list[Placement]] = {}
    for placement in placements(case, target):
        by_slot.setdefault(placement.slot, []).append(placement)
    for slot, some in by_slot.items():
        check_placement(case, target, some[seeded(case.id, str(slot)).randint(len(some))])


def check_placement(case: OpCase, target: Target, placement: Placement) -> None:
    """A kernel's results have NaN, infinity and -infinity where those of the generic ops do.

    Raises
    ------
    AssertionError
        If they stand elsewhere, and no exception of the rule allows it.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        actual = _results(case, target, placement, generic=False)
        right = _results(case, target, placement, generic=True)
        free = [np.zeros(np.shape(r), bool) for r in right]
        if np.isfinite(placement.value) and any(OPS[name].sums for name in case.ops):
            touched = _results(case, target, placement._replace(value=np.nan), generic=True, like=placement)
            free = [np.isnan(t) for t in touched]
        elif channels := _folded_channels(case, placement):
            free[0][:, channels] = np.isnan(actual[0][:, channels])
    names = [*(f"output {n}" for n in range(len(right) - len(input_names(case)))),
             *(f"the gradient of {n}" for n in input_names(case))]
    for name, got, reference, allowed in zip(names, actual, right, free):
        wrong = (_kinds(got) != _kinds(reference)) & ~allowed
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            array = "dy" if placement.slot == DY else input_names(case)[placement.slot]
            raise AssertionError(
                f"with {placement.value:g} at {placement.number} places of {array} ({placement.dtype}), "
                f"{name} is {got[at]:g} at {at}, and {reference[at]:g} by the generic op; so it is at "
                f"{np.count_nonzero(wrong)} of {wrong.size} places")


def _results(case: OpCase, target: Target, placement: Placement, generic: bool,
             like: Placement | None = None) -> list[np.ndarray]:
    """Outputs and gradients, nothing for those that are None; the places are those of `like`."""
    truth = expected(case, placement.dtype)
    inputs, dy = [v.copy() if isinstance(v, np.ndarray) else v for v in truth.inputs], truth.dy.copy()
    array = dy if placement.slot == DY else inputs[placement.slot]
    array.reshape(-1)[(like or placement).places(case, array.size)] = placement.value
    arrays = arrays_of(case, target, tuple(inputs))
    if generic:
        with backends.tables():
            if len(case.ops) == 1:
                outputs, backward = call(case, target, arrays, case.needs)
            else:
                outputs, backward = compose(calls_of(case, target.attributes(case)), arrays, case.needs)
            gradients = backward(target.asarray(dy)) if backward is not None else ()
    else:
        outputs, backward = call(case, target, arrays, case.needs)
        gradients = backward(target.asarray(dy)) if backward is not None else ()
    gradients = gradients or (None,) * len(inputs)
    return [np.zeros(0) if r is None else np.asarray(target.to_numpy(r), float)
            for r in (*outputs, *gradients)]


def _kinds(values: np.ndarray) -> np.ndarray:
    """0 for a finite number, 1 and -1 for infinities, 2 for NaN."""
    return np.where(np.isnan(values), 2, np.where(np.isinf(values), np.sign(values), 0))


def _folded_channels(case: OpCase, placement: Placement) -> list[int]:
    """The channels whose normalisation may have been folded into filters though it is not finite."""
    if case.ops[:2] != ("conv", "batch_norm") or any(case.needs) or case.attributes[1]["training"]:
        return []
    first: Any = case.arities[0]
    if not first <= placement.slot < first + case.arities[1]:
        return []
    parameters = expected(case, placement.dtype).inputs[placement.slot]
    return sorted({int(channel) for channel in placement.places(case, parameters.size)})
