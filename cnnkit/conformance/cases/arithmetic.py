"""Cases of arithmetic, comparisons, reductions, matrix product and shape changes."""

from __future__ import annotations

from typing import Any

from cnnkit.conformance.cases.elementwise import elementwise
from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.reference.arithmetic import FORMULAS
from cnnkit.conformance.tolerance import EXACT, ROUNDING, SUMS, TRANSCENDENTAL

__all__ = ["CASES"]

X, ROW, COLUMN, POSITIVE = Draw((3, 4)), Draw((4,)), Draw((3, 1)), Draw((3, 4), "positive")
TIES, OTHER = Draw((3, 4), "eighths"), Draw((3, 4), "eighths", grad=False)


def moved(op: str, name: str, *inputs: Draw, **attrs: Any) -> OpCase:
    """An op that moves elements and computes nothing."""
    return OpCase(op, name, inputs, attrs, EXACT, smooth=False)


CASES = (
    *(OpCase(op, name, inputs) for op in ("add", "sub", "mul") for name, inputs in (
        ("same-shape", (X, X)), ("row", (X, ROW)), ("column", (COLUMN, X)), ("both-broadcast", (COLUMN, ROW)),
        ("number-right", (X, 1.5)), ("number-left", (2.0, X)), ("scalar-array", (X, Draw(()))),
        ("batch-0", (Draw((0, 4)), ROW)))),
    # kernels may decline small arrays
    OpCase("add", "many-numbers", (Draw((4, 16, 8, 8)), Draw((4, 16, 8, 8)))),
    *(OpCase("div", name, inputs, tolerance=SUMS) for name, inputs in (
        ("same-shape", (X, POSITIVE)), ("row", (X, Draw((4,), "positive"))), ("number-right", (X, 3.0)),
        ("number-left", (2.0, POSITIVE)))),
    *(OpCase("pow", name, inputs, tolerance=TRANSCENDENTAL) for name, inputs in (
        ("square", (X, 2)), ("square-root", (POSITIVE, 0.5)), ("inverse", (POSITIVE, -1)), ("zeroth", (X, 0)),
        ("arrays", (POSITIVE, X)), ("number-base", (2.0, X)))),
    *elementwise(FORMULAS),
    OpCase("cast", "to-float32", (TIES,), {"dtype": "float32"}, EXACT, smooth=False),
    OpCase("cast", "to-int32", (OTHER,), {"dtype": "int32"}, EXACT),
    *(OpCase("where", name, inputs, tolerance=EXACT, smooth=False) for name, inputs in (
        ("arrays", (Draw((3, 4), "bools"), TIES, TIES)),
        ("broadcast", (Draw((3, 4), "bools"), Draw((4,), "eighths"), TIES)),
        ("number", (Draw((3, 4), "bools"), TIES, 0.0)))),
    *(OpCase(op, name, (OTHER, right), tolerance=EXACT)
      for op in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
      for name, right in (("arrays", Draw((3, 4), "eighths", grad=False)), ("number", 0.25))),

    *(OpCase(op, name, (Draw((2, 3, 4)),), {"axis": axis, "keepdims": keepdims}, SUMS)
      for op in ("sum", "mean", "max", "min", "prod")
      for name, axis, keepdims in (("everything", None, False), ("last-axis", -1, False),
                                   ("two-axes", (0, 2), False), ("keepdims", 1, True))),
    *(OpCase("mean", f"maps-{keepdims}", (Draw((2, 3, 4, 5)),), {"axis": (2, 3), "keepdims": keepdims}, SUMS)
      for keepdims in (False, True)),
    OpCase("sum", "batch-0", (Draw((0, 3)),), {"axis": 0, "keepdims": False}),
    *(OpCase(op, "ties-share", (Draw((3, 9), "eighths"),), {"axis": 1, "keepdims": False}, ROUNDING,
             smooth=False) for op in ("max", "min")),
    OpCase("prod", "zeros", (Draw((5, 4), "eighths"),), {"axis": 1, "keepdims": False}, SUMS),
    *(OpCase(op, "bools", (Draw((3, 4), "bools", grad=False),), {"axis": 1, "keepdims": False}, EXACT)
      for op in ("all", "any")),
    *(OpCase(op, name, (Draw((3, 9), kind),), {"axis": axis}, SUMS)
      for op in ("cumsum", "cumprod")
      for name, axis, kind in (("rows", -1, "normal"), ("columns", 0, "normal"), ("zeros", 1, "eighths"))),
    *(OpCase(op, name, (Draw((3, 9), "eighths", grad=False),), {"axis": axis, "keepdims": keepdims},
             EXACT)
      for op in ("argmax", "argmin")
      for name, axis, keepdims in (("flat", None, False), ("rows", 1, False), ("keepdims", 0, True))),

    *(OpCase("matmul", name, (Draw(x), Draw(y)), {}, SUMS, half=name == "matrices") for name, x, y in (
        ("matrices", (3, 4), (4, 5)), ("batched", (2, 3, 4), (2, 4, 2)),
        ("batch-broadcast", (2, 1, 3, 4), (3, 4, 2)),
        ("matrix-vector", (3, 4), (4,)), ("vector-matrix", (4,), (4, 3)), ("vectors", (4,), (4,)),
        ("batch-0", (0, 4), (4, 3)))),

    moved("reshape", "flatten", Draw((2, 3, 4), "eighths"), shape=(2, 12)),
    moved("reshape", "infer-one-size", Draw((2, 3, 4), "eighths"), shape=(-1, 6)),
    moved("reshape", "batch-0", Draw((0, 3, 2), "eighths"), shape=(0, 6)),
    moved("permute", "channels-last", Draw((2, 3, 4, 5), "eighths"), axes=(0, 2, 3, 1)),
    moved("permute", "negative-axes", Draw((2, 3, 4), "eighths"), axes=(-1, 0, 1)),
    moved("expand", "new-axis", Draw((3, 1), "eighths"), shape=(2, 3, 4)),
    moved("expand", "keep-a-size", Draw((3, 1), "eighths"), shape=(-1, 4)),
    moved("concat", "two-along-1", TIES, Draw((3, 2), "eighths"), axis=1),
    moved("concat", "three-along-0", TIES, Draw((0, 4), "eighths"), Draw((2, 4), "eighths"), axis=0),
    moved("concat", "last-axis", TIES, TIES, axis=-1),
    OpCase("concat", "channels-last", tuple(Draw((2, n, 3, 4), "eighths") for n in (5, 17, 1)), {"axis": 1},
           EXACT, channels_last=True),
    OpCase("add", "number-for-each-channel-last", (Draw((2, 17, 3, 4)), Draw((1, 17, 1, 1))), {}, SUMS,
           channels_last=True),
    moved("pad", "around", Draw((2, 3, 4), "eighths"), pads=((0, 0), (1, 2), (0, 3)), value=0.5),
    moved("pad", "take-away", Draw((2, 5, 6), "eighths"), pads=((0, 0), (-1, 2), (1, -2)), value=0.0),
    moved("pad", "nothing", TIES, pads=((0, 0), (0, 0)), value=0.0),
    *(OpCase(op, name, (Draw(shape if op == "pad_edges" else tuple(n + sum(p) for n, p in zip(shape, pads)),
                             "eighths"),), {"pads": pads, "mode": mode}, EXACT, smooth=False,
             half=name == "replicate-more-than-there-is")
      for op in ("pad_edges", "pad_edges_input") for name, mode, shape, pads in (
          ("reflect", "reflect", (2, 3, 4), ((0, 0), (2, 1), (3, 3))),
          ("reflect-after", "reflect", (2, 4), ((0, 0), (-1, 3))),
          ("replicate-more-than-there-is", "replicate", (2, 3, 2), ((0, 0), (1, 4), (3, 0))),
          ("replicate-where-all-is-taken-away", "replicate", (2, 3), ((0, 1), (-3, 4))),
          ("circular", "circular", (2, 3, 4), ((0, 0), (3, 1), (0, 4))),
          ("circular-less", "circular", (5, 4), ((-2, 1), (3, -1))),
          ("batch-0", "reflect", (0, 3), ((0, 0), (1, 1))))),
    *(moved("getitem", name, Draw((5, 6), "eighths"), index=index) for name, index in (
        ("int", 2), ("negative-int", (-1, 3)), ("slices", (slice(1, 4), slice(None, -1))),
        ("steps", (slice(None, None, 2), slice(1, 6, 3))),
        ("backwards", (slice(None, None, -1), slice(4, 0, -2))),
        ("new-axis", (slice(None), None, 2)), ("ellipsis", (..., 0)), ("empty", (slice(2, 2),)))),
)
