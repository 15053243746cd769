"""The one table of cases: what every backend must get right, as plain data.

It drives the checks, the support table of the documentation and the kernels' benchmarks. Shapes are small, so
that even an emulator that is a hundred times slower runs all of it.
"""

from cnnkit.conformance.case import Case
from cnnkit.conformance.cases import (
    activation,
    arithmetic,
    assigning,
    conv,
    draw,
    fused,
    gathering,
    look_up,
    loss,
    many,
    norm,
    pointwise,
    pool,
    resampling,
    residual,
    update,
)
from cnnkit.conformance.kinds.op import OpCase

__all__ = ["CASES", "DRAWS", "EVERY_CASE", "FUSED", "LOOK_UPS", "MANY", "SINGLE", "UPDATES"]

SINGLE: tuple[OpCase, ...] = (*conv.CASES, *pool.CASES, *activation.CASES, *norm.CASES, *loss.CASES,
                              *arithmetic.CASES, *assigning.CASES, *pointwise.CASES, *gathering.CASES,
                              *resampling.CASES)
FUSED: tuple[OpCase, ...] = (*fused.CASES, *residual.CASES)
CASES = (*SINGLE, *FUSED)  # of ops, alone and in chains
MANY, UPDATES, DRAWS, LOOK_UPS = many.CASES, update.CASES, draw.CASES, look_up.CASES
EVERY_CASE: tuple[Case, ...] = (*CASES, *MANY, *UPDATES, *DRAWS, *LOOK_UPS)
