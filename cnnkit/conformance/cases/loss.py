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


CASES = (
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
        labelled(op, "map-none-weighted", (2, 3, 2, 2), weight=True, reduction="none"),
        labelled(op, "one-sample-without-batch", (4,)),
        labelled(op, "one-class", (3, 1)),
        labelled(op, "batch-1", (1, 10)),
        labelled(op, "batch-0-sum", (0, 4), reduction="sum"),
        labelled(op, "batch-0-mean", (0, 4)),
        labelled(op, "batch-0-none", (0, 4), reduction="none"),
    )),
    labelled("cross_entropy", "large-logits", (4, 5), kind="large"),
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
