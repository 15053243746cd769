"""Cases of activations, softmax and dropout."""

from __future__ import annotations

from cnnkit.conformance.cases.elementwise import elementwise
from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.reference.activation import FORMULAS
from cnnkit.conformance.tolerance import ROUNDING, TRANSCENDENTAL

__all__ = ["CASES"]


CASES = (
    *elementwise(FORMULAS),

    *(OpCase(op, name, (Draw(shape, kind),), {"axis": axis}, TRANSCENDENTAL, half=name == "rows",
             smooth=kind == "normal")
      for op in ("softmax", "log_softmax")
      for name, shape, axis, kind in (("rows", (4, 6), 1, "normal"), ("last-axis", (2, 3, 5), -1, "normal"),
                                      ("channels", (2, 5, 3, 2), 1, "normal"),
                                      ("first-axis", (4, 3), 0, "normal"),
                                      ("one-class", (3, 1), 1, "normal"), ("large", (3, 5), 1, "large"),
                                      ("batch-0", (0, 4), 1, "normal"))),

    OpCase("dropout", "half", (Draw((3, 4, 5)),), {"p": 0.5, "key": (3, 14)}, ROUNDING, half=True),
    OpCase("dropout", "few", (Draw((7, 9)),), {"p": 0.1, "key": (2**32 - 1, 2**31)}, ROUNDING),
    OpCase("dropout", "nothing", (Draw((2, 3)),), {"p": 0.0, "key": (0, 0)}, ROUNDING),
    OpCase("dropout", "images-odd-size", (Draw((2, 3, 5, 3)),), {"p": 0.4, "key": (5, 6)}, ROUNDING),
    OpCase("dropout", "batch-0", (Draw((0, 3)),), {"p": 0.5, "key": (1, 2)}, ROUNDING),
)
