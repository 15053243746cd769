"""The one table of cases: what every backend must get right, as plain data.

It drives the checks, the support table of the documentation and the kernels' benchmarks. Shapes are small, so that even
an emulator that is a hundred times slower runs all of it.
"""

from cnnkit.conformance.cases import activation, arithmetic, conv, fused, loss, norm, pool

__all__ = ["CASES", "FUSED", "SINGLE"]

SINGLE = (*conv.CASES, *pool.CASES, *activation.CASES, *norm.CASES, *loss.CASES, *arithmetic.CASES)
FUSED = fused.CASES
CASES = (*SINGLE, *FUSED)
