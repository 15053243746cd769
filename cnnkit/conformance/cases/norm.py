"""Cases of batch normalisation, and of mean and variance over any axes."""

from __future__ import annotations

from typing import Any

from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.tolerance import SUMS, Tolerance

__all__ = ["BATCH_NORM", "CASES", "parameters"]

BATCH_NORM: dict[str, Any] = {"training": True, "momentum": 0.1, "eps": 1e-5}
STEADY = Tolerance(2e-4, 2e-4, "deviations a millionth of the numbers, divided by their size")


def batch_norm(name: str, x: tuple, *, kind: str = "normal", affine: bool = True, running: bool = True,
               half: bool = False, mixed: bool = False, smooth: bool = True, tolerance: Tolerance = SUMS,
               last: bool = False, **attrs: Any) -> OpCase:
    """A batch normalisation, from the shape of its input; `mixed` ones have parameters of float32."""
    inputs = (Draw(x, kind), *parameters(x, affine, running, mixed))
    return OpCase("batch_norm", name, inputs, {**BATCH_NORM, **attrs}, tolerance,
                  half=half or mixed, smooth=smooth, channels_last=last)


def parameters(x: tuple, affine: bool = True, running: bool = True, mixed: bool = False) -> tuple:
    """Weight, bias and running statistics of a batch normalisation of images of shape `x`."""
    C = x[1:2]
    scale = (Draw(C, mixed=mixed), Draw(C, mixed=mixed)) if affine else (None, None)
    state = (Draw(C, grad=False, mixed=mixed), Draw(C, "positive", grad=False, mixed=mixed))
    return (*scale, *(state if running else (None, None)))


def standardize(name: str, x: tuple, axes: tuple, weight: tuple | None = None, bias: tuple | None = None, *,
                kind: str = "normal", center: bool = True, tolerance: Tolerance = SUMS,
                last: bool = False) -> OpCase:
    """A normalisation over some axes, from the shapes of its arrays."""
    scale, shift = (None if shape is None else Draw(shape) for shape in (weight, bias))
    return OpCase("standardize", name, (Draw(x, kind), scale, shift),
                  {"axes": axes, "eps": 1e-5, "center": center}, tolerance,
                  half=name in ("layer", "steady"), smooth=kind == "normal", channels_last=last)


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
    batch_norm("training-mixed", (4, 3, 3, 4), mixed=True),
    batch_norm("training-mixed-channels-last", (3, 16, 3, 4), mixed=True, last=True),
    batch_norm("training-mixed-many-pixels", (2, 8, 17, 19), mixed=True, last=True),
    batch_norm("training-mixed-no-affine", (3, 8, 4, 3), affine=False, mixed=True),
    batch_norm("training-mixed-no-running-statistics", (3, 2, 4, 3), running=False, mixed=True),
    batch_norm("eval-mixed", (3, 8, 3, 4), training=False, mixed=True),
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

    standardize("group", (2, 2, 3, 3, 2), (2, 3, 4), (1, 2, 3, 1, 1), (1, 2, 3, 1, 1)),
    standardize("layer", (3, 4, 5), (1, 2), (4, 5), (4, 5)),
    standardize("layer-many", (17, 70), (1,), (70,), (70,)),
    standardize("instance", (2, 3, 4), (2,), (1, 3, 1), (1, 3, 1)),
    standardize("instance-no-affine", (2, 3, 4), (2,)),
    standardize("instance-channels-last", (2, 19, 3, 4), (2, 3), (1, 19, 1, 1), (1, 19, 1, 1), last=True),
    standardize("instance-steady-channels-last", (2, 3, 5, 4), (2, 3), kind="steady", tolerance=STEADY,
                last=True),
    standardize("instance-constant-channels-last", (2, 3, 5), (2,), kind="constant", tolerance=STEADY,
                last=True),
    standardize("root-mean-square", (3, 2, 5), (2,), (5,), center=False),
    standardize("no-weight", (3, 5), (1,), None, (5,)),
    standardize("middle-axes", (2, 3, 4, 2), (1, 2), (1, 1, 1, 2)),
    standardize("steady", (3, 17), (1,), kind="steady", tolerance=STEADY),
    standardize("constant", (3, 5, 2), (0,), kind="constant", tolerance=STEADY),
    standardize("one-number", (3, 1), (1,)),
    standardize("batch-0", (0, 4), (1,), (4,), (4,)),
)
