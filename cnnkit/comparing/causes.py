"""Why two sides part: each kernel is measured against float64, from what it was given itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnnkit.comparing.distance import NARROW, Distance, distance, host, limit
from cnnkit.comparing.tracing import Name, Served
from cnnkit.comparing.truth import noise_of, truth_of
from cnnkit.inspection.explanation import KernelCall
from cnnkit.ops import OPS

__all__ = ["Cause", "cause_beside", "cause_of"]

NOISE = 256.0  # times what roundings of the inputs move: long sums round at every step
FEW = 0.05     # the share of elements that may lie at a kink


@dataclass(frozen=True)
class Cause:
    """A likely cause: its kind, a sentence, and whether a kernel is to blame for it."""

    kind: str
    explanation: str
    blamed: bool


@dataclass(frozen=True)
class Judged:
    """One side's value beside the truth for what its kernel was given."""

    side: str
    served: Served
    name: Name
    truth: np.ndarray
    error: Distance

    @property
    def wrong(self) -> bool:
        return self.error.beyond > 0

    @property
    def row(self) -> KernelCall:
        return self.served.back if self.name.gradient and self.served.back else self.served.row

    @property
    def kernel(self) -> str:
        return f"{self.row.table}: {self.row.kernel}"


def cause_of(name: Name, pair: tuple[Served, Served], sides: tuple[str, str],
             found: Distance) -> Cause:
    """The likely cause of a difference in an output or a gradient of a call that both sides have made."""
    try:
        judged = [_judge(side, served, name) for side, served in zip(sides, pair)]
    except (TypeError, ValueError, NotImplementedError) as error:
        return Cause("unknown", f"it could not be computed anew in float64 ({error})", True)
    wrong = [party for party in judged if party.wrong]
    if found.nonfinite:
        at_fault = wrong or [party for party, value in zip(judged, found.values) if not np.isfinite(value)]
        party = at_fault[0]
        value = found.values[judged.index(party)]
        return Cause("NaN", f"{party.side} has {value:g} there, and float64 gives "
                            f"{party.truth[found.element]:.9g} ({party.kernel})", bool(wrong))
    if wrong:
        return _blamed(wrong[0], judged)
    return _unblamed(name, pair, judged, found)


def cause_beside(name: Name, served: Served, sides: tuple[str, str], found: Distance, parted: bool) -> Cause:
    """The likely cause where only the second side's call is at hand.

    `parted` is whether numbers before it in the same step are too far apart already.
    """
    try:
        judged = _judge(sides[1], served, name)
    except (TypeError, ValueError, NotImplementedError) as error:
        return Cause("unknown", f"it could not be computed anew in float64 ({error})", True)
    if judged.wrong:
        return _blamed(judged, [judged])
    if parted:
        return Cause("inputs", "numbers before it differ already", False)
    figures = f"{judged.side} is {judged.error.most:,.1f} ulp from float64 at most"
    if judged.error.most > limit(served.row.dtype):
        return Cause("cancellation", "the numbers cancel to nearly 0, and what is left is rounding", False)
    if any(OPS[op].role in ("activation", "pool") for op in served.row.ops) and (
            found.beyond <= max(1, FEW * found.size)) and not found.nonfinite:
        return Cause("kink", f"few numbers differ, at a ReLU's 0 or at two equal maxima: {figures}", False)
    return Cause("wrong kernel", f"{figures}, by what it was given: {sides[0]} is wrong", True)


def _judge(side: str, served: Served, name: Name) -> Judged:
    array = (served.gradients if name.gradient else served.outputs)[name]
    values, dtype = host(array)
    truth = truth_of(served, name)
    assert truth is not None  # there is an array
    error = distance(values, truth, dtype, limit(dtype))
    assert error is not None  # it is not empty
    if error.beyond:
        error = distance(values, truth, dtype, limit(dtype), NOISE * noise_of(served, name, truth))
        assert error is not None
    return Judged(side, served, name, truth, error)


def _blamed(bad: Judged, judged: list[Judged]) -> Cause:
    """One side is farther from float64 than rounding takes it."""
    error, others = bad.error, [party for party in judged if party is not bad]
    right = "".join(f"; {other.side} is {other.error.most:,.1f} ulp from it at most" for other in others
                    if not other.wrong)
    figures = (f"{bad.side} has {error.values[0]:.9g} at {error.element}, where float64 gives "
               f"{error.values[1]:.9g} from the same inputs: {error.most:,.0f} ulp{right}")
    if bad.served.row.dtype in NARROW:
        return Cause("16-bit sum", f"{bad.kernel} rounds to {bad.served.row.dtype} as it adds: {figures}",
                     True)
    if _winograd(bad) and error.most < 64 * limit(bad.served.row.dtype):
        return Cause("Winograd", f"{_winograd(bad)} of {bad.kernel} rounds more than a sum does: {figures}",
                     True)
    return Cause("wrong kernel", f"{bad.kernel} is wrong: {figures}", True)


def _unblamed(name: Name, pair: tuple[Served, Served], judged: list[Judged], found: Distance) -> Cause:
    """Both kernels are right by what they were given."""
    a, b = judged
    ops = [OPS[op] for op in pair[0].row.ops]
    errors = (f"{a.side} is {a.error.most:,.1f} ulp from float64 at most, {b.side} "
              f"{b.error.most:,.1f}")
    if max(a.error.most, b.error.most) > limit(pair[0].row.dtype):
        return Cause("cancellation", "the numbers cancel to nearly 0, and what is left is rounding", False)
    truths = distance(a.truth, b.truth, pair[0].row.dtype, 0)
    given = 0.0 if truths is None else truths.most
    if given > limit(pair[0].row.dtype):
        kinked = any(op.role in ("activation", "pool") for op in ops)
        if kinked and found.beyond <= max(1, FEW * found.size):
            return Cause("kink", f"the inputs differ, at a ReLU's 0 or at two equal maxima: {errors}", False)
        return Cause("inputs", f"the inputs differ already: {errors}", False)
    winograd = [party for party in judged if _winograd(party)]
    if len(winograd) == 1:
        return Cause("Winograd", f"{_winograd(winograd[0])} of {winograd[0].side} is another algorithm: "
                                 f"{errors}", False)
    if pair[0].row.dtype in NARROW:
        return Cause("16-bit sum", f"numbers of 16 bits are rounded: {errors}", False)
    if any(op.sums for op in ops):
        return Cause("order of sums", f"the kernels add in another order: {errors}", False)
    return Cause("rounding", f"both round: {errors}", False)


def _winograd(party: Judged) -> str:
    """The native function by Winograd's algorithm that a kernel has called."""
    return next((function for function in party.row.native if "winograd" in function.lower()), "")
