"""Cases of activations, softmax and dropout."""

from __future__ import annotations

from typing import Any

from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.tolerance import EXACT, ROUNDING, TRANSCENDENTAL, Tolerance

__all__ = ["CASES"]


def elementwise(op: str, tolerance: Tolerance, kinked: bool, **attrs: Any) -> tuple[OpCase, ...]:
    """What every activation must do."""
    return (
        OpCase(op, "map", (Draw((2, 3, 4, 5)),), attrs, tolerance, half=True),
        OpCase(op, "vector", (Draw((7,)),), attrs, tolerance),
        OpCase(op, "ties-at-zero", (Draw((3, 7), "eighths"),), attrs, tolerance, smooth=not kinked),
        OpCase(op, "large", (Draw((3, 7), "large"),), attrs, tolerance, smooth=False),
        OpCase(op, "nan", (Draw((2, 5), "nan", grad=False),), attrs, tolerance),
        OpCase(op, "infinities", (Draw((3, 7), "inf", grad=False),), attrs, tolerance),
        OpCase(op, "batch-0", (Draw((0, 3, 2, 2)),), attrs, tolerance),
    )


CASES = (
    *elementwise("relu", EXACT, True),
    *elementwise("leaky_relu", ROUNDING, True, negative_slope=0.1),
    *elementwise("elu", TRANSCENDENTAL, True, alpha=1.5),
    *elementwise("sigmoid", TRANSCENDENTAL, False),
    # -inf * 0 is NaN by the formula
    *(c for c in elementwise("silu", TRANSCENDENTAL, False) if c.name != "infinities"),
    *elementwise("tanh", TRANSCENDENTAL, False),

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
