"""Cases of losses."""

from __future__ import annotations

from typing import Any

from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.tolerance import ROUNDING, TRANSCENDENTAL

__all__ = ["CASES"]

REDUCTIONS = ("mean", "sum", "none")


def labelled(op: str, name: str, x: tuple, *, kind: str = "normal", target: str = "labels",
             weight: bool = False, half: bool = False, **attrs: Any) -> OpCase:
    """A loss on class labels or probabilities."""
    axis = min(1, len(x) - 1)
    if target == "probabilities":
        drawn = Draw(x, "probabilities")
    else:
        drawn = Draw((*x[:axis], *x[axis + 1:]), target, grad=False, classes=x[axis])
    weights = Draw((x[axis],), "positive", grad=False) if weight else None
    default: dict[str, Any] = {"ignore_index": -100, "reduction": "mean"}
    if op == "cross_entropy":
        default["label_smoothing"] = 0.0
    return OpCase(op, name, (Draw(x, kind), drawn, weights), {**default, **attrs}, TRANSCENDENTAL, half=half,
                  smooth=kind != "large")


def sequences(name: str, T: int, N: int, C: int, S: int, zero_infinity: bool = True) -> OpCase:
    """Sequences of up to T frames and S labels; the blank is the last class."""
    lengths = (Draw((N,), "labels", grad=False, classes=most + 1) for most in (T, S))
    return OpCase("ctc", name, (Draw((T, N, C)), Draw((N, S), "labels", grad=False, classes=C - 1), *lengths),
                  {"blank": C - 1, "zero_infinity": zero_infinity}, TRANSCENDENTAL, smooth=False)


CASES = (
    sequences("short", 3, 5, 3, 2),
    sequences("repeated-labels", 6, 8, 2, 3),
    sequences("more-labels-than-frames", 2, 6, 3, 4),
    sequences("infinite", 4, 12, 2, 3, zero_infinity=False),
    sequences("no-labels", 3, 2, 3, 0),
    sequences("batch-0", 3, 0, 3, 2),
    *(labelled(op, reduction, (5, 4), reduction=reduction, half=reduction == "mean")
      for op in ("cross_entropy", "nll_loss") for reduction in REDUCTIONS),
    *(labelled(op, f"weighted-{reduction}", (5, 4), weight=True, reduction=reduction)
      for op in ("cross_entropy", "nll_loss") for reduction in REDUCTIONS),
    *(case for op in ("cross_entropy", "nll_loss") for case in (
        labelled(op, "ignored-labels", (5, 4), target="ignored"),
        labelled(op, "ignored-labels-none", (5, 4), target="ignored", reduction="none"),
        labelled(op, "ignored-labels-weighted", (6, 3), target="ignored", weight=True),
        labelled(op, "ignored-index-is-a-class", (7, 3), ignore_index=1),
        labelled(op, "every-label-ignored", (1, 3), target="ignored"),
        labelled(op, "map", (2, 3, 2, 4)),
        labelled(op, "map-none", (2, 5, 3, 7), reduction="none"),
        labelled(op, "sequence-sum", (3, 4, 9), reduction="sum"),
        labelled(op, "map-none-weighted", (2, 3, 2, 2), weight=True, reduction="none"),
        labelled(op, "one-sample-without-batch", (4,)),
        labelled(op, "one-class", (3, 1)),
        labelled(op, "batch-1", (1, 10)),
        labelled(op, "batch-0-sum", (0, 4), reduction="sum"),
        labelled(op, "batch-0-mean", (0, 4)),
        labelled(op, "batch-0-none", (0, 4), reduction="none"),
    )),
    labelled("cross_entropy", "large-logits", (4, 5), kind="large"),
    labelled("cross_entropy", "many-classes", (3, 65)),
    labelled("cross_entropy", "many-samples", (37, 6)),
    labelled("cross_entropy", "smoothed", (5, 4), label_smoothing=0.2),
    labelled("cross_entropy", "smoothed-weighted", (5, 4), label_smoothing=0.2, weight=True),
    labelled("cross_entropy", "smoothed-ignored-none", (5, 4), label_smoothing=0.2, target="ignored",
             reduction="none"),
    *(labelled("cross_entropy", f"probabilities-{reduction}", (4, 3), target="probabilities",
               reduction=reduction)
      for reduction in REDUCTIONS),
    labelled("cross_entropy", "probabilities-map-weighted", (2, 3, 2, 2), target="probabilities",
             weight=True),
    labelled("cross_entropy", "probabilities-smoothed", (4, 3), target="probabilities", label_smoothing=0.1),

    *(OpCase("mse_loss", reduction, (Draw((3, 4)), Draw((3, 4))), {"reduction": reduction}, ROUNDING,
             half=reduction == "mean")
      for reduction in REDUCTIONS),
    OpCase("mse_loss", "map", (Draw((2, 3, 2, 2)), Draw((2, 3, 2, 2))), {"reduction": "mean"}),
    OpCase("mse_loss", "constant-target", (Draw((6, 2)), Draw((6, 2), grad=False)), {"reduction": "mean"}),
    OpCase("mse_loss", "batch-0-sum", (Draw((0, 3)), Draw((0, 3))), {"reduction": "sum"}),
)
