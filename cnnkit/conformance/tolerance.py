"""How far a result may be from the loops."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EXACT", "ROUNDING", "SUMS", "TRANSCENDENTAL", "Tolerance"]


@dataclass(frozen=True)
class Tolerance:
    """How far a float32 result may be from the loops, and why; other dtypes scale with their precision."""

    rtol: float
    atol: float
    reason: str

    def at(self, dtype: str) -> tuple[float, float]:
        """(rtol, atol) for a dtype; float16 accumulates in float32, so only its storage costs precision."""
        if not self.rtol:
            return 0.0, 0.0
        if dtype in ("float16", "bfloat16"):
            step = 2.0**-10 if dtype == "float16" else 2.0**-7
            return 4 * step, 4 * step
        scale = 1e-7 if dtype == "float64" else 1.0
        return self.rtol * scale, self.atol * scale


EXACT = Tolerance(0.0, 0.0,
                  "nothing is rounded: values are moved, chosen or compared, or their sums are exact")
ROUNDING = Tolerance(2e-6, 1e-6, "a few roundings, whose order is free")
TRANSCENDENTAL = Tolerance(1e-5, 2e-6, "libraries' exp, log and sqrt differ in the last bits")
SUMS = Tolerance(2e-5, 2e-5, "sums of some hundred products, in any order")
