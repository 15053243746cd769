"""Cases of functions of numbers beside arithmetic: trigonometry, logarithms, rounding, pairs, bits."""

from __future__ import annotations

from cnnkit.conformance.cases.elementwise import elementwise
from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.reference.pointwise import FORMULAS
from cnnkit.conformance.tolerance import EXACT, ROUNDING, TRANSCENDENTAL

__all__ = ["CASES"]

X, COLUMN, ROW = Draw((3, 4)), Draw((3, 1)), Draw((4,))
TIES, OTHER = Draw((3, 4), "eighths"), Draw((3, 1), "eighths")
COUNTS, PLACES = Draw((3, 4), "labels", grad=False, classes=100), Draw((4,), "labels", grad=False, classes=7)

CASES = (
    *elementwise(FORMULAS),
    *(OpCase(op, name, inputs, {}, EXACT, smooth=name != "ties")
      for op in ("maximum", "minimum")
      for name, inputs in (("same-shape", (X, X)), ("broadcast", (X, COLUMN)), ("ties", (TIES, OTHER)))),
    *(OpCase("atan2", name, inputs, {}, TRANSCENDENTAL)
      for name, inputs in (("same-shape", (X, X)), ("broadcast", (COLUMN, ROW)))),
    *(OpCase(op, name, inputs, {}, ROUNDING)
      for op in ("remainder", "fmod")
      for name, inputs in (("same-shape", (X, Draw((3, 4), "positive"))),
                           ("broadcast", (COLUMN, Draw((4,), "positive"))))),
    OpCase("floor_divide", "broadcast", (Draw((3, 4), grad=False), Draw((4,), "positive", grad=False)), {},
           EXACT),
    *(OpCase(op, "integers", (COUNTS, PLACES), {}, EXACT)
      for op in ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift")),
    OpCase("bitwise_not", "integers", (COUNTS,), {}, EXACT),
)
