"""Cases of batch normalisation."""

from __future__ import annotations

from typing import Any

from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.tolerance import SUMS, Tolerance

__all__ = ["BATCH_NORM", "CASES"]

BATCH_NORM: dict[str, Any] = {"training": True, "momentum": 0.1, "eps": 1e-5}
STEADY = Tolerance(2e-4, 2e-4, "deviations a millionth of the numbers, divided by their size")


def batch_norm(name: str, x: tuple, *, kind: str = "normal", affine: bool = True, running: bool = True,
               half: bool = False, smooth: bool = True, tolerance: Tolerance = SUMS, **attrs: Any) -> OpCase:
    """A batch normalisation, from the shape of its input."""
    C = x[1:2]
    scale = (Draw(C), Draw(C)) if affine else (None, None)
    state = (Draw(C, grad=False), Draw(C, "positive", grad=False)) if running else (None, None)
    return OpCase("batch_norm", name, (Draw(x, kind), *scale, *state), {**BATCH_NORM, **attrs}, tolerance,
                  half=half, smooth=smooth)


CASES = (
    batch_norm("training", (4, 3, 3, 4), half=True),
    batch_norm("training-no-affine", (3, 2, 4, 3), affine=False),
    batch_norm("training-no-running-statistics", (3, 2, 4, 3), running=False),
    batch_norm("training-nothing-optional", (3, 2, 4, 3), affine=False, running=False),
    batch_norm("training-momentum-1", (2, 3, 2, 2), momentum=1.0),
    batch_norm("training-large-eps", (2, 3, 2, 2), eps=0.5),
    batch_norm("training-offset-mean", (4, 2, 3, 3), kind="positive"),
    # a step of finite differences is not small beside these deviations
    *(batch_norm(f"training-{kind}-{size}", shape, kind=kind, half=True, smooth=False,
                 tolerance=STEADY)
      for kind in ("steady", "constant")
      for size, shape in (("few", (4, 3, 3, 5)), ("many-channels", (3, 32, 3, 4)), ("matrix", (37, 5)),
                          ("many-pixels", (2, 2, 17, 19)))),
    batch_norm("training-matrix", (6, 5)),
    batch_norm("training-batch-1", (1, 3, 3, 3)),
    batch_norm("training-one-pixel-map", (5, 3, 1, 1)),
    batch_norm("training-odd-channels", (2, 7, 3, 5)),
    batch_norm("training-many-channels", (4, 32, 3, 3)),
    batch_norm("training-batch-0", (0, 3, 2, 2)),
    batch_norm("eval", (3, 3, 3, 4), training=False, half=True),
    batch_norm("eval-no-affine", (3, 2, 4, 3), training=False, affine=False),
    batch_norm("eval-matrix", (4, 5), training=False),
    batch_norm("eval-one-value", (1, 3, 1, 1), training=False),
    batch_norm("eval-batch-0", (0, 3, 2, 2), training=False),
)
