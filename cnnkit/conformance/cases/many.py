"""Cases of sums in sixteen bits: 4,096 numbers, which float16 and bfloat16 cannot add up in themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnkit.conformance.cases.conv import CONV
from cnnkit.conformance.cases.pool import AVG
from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.many import ManyCase
from cnnkit.conformance.tolerance import SUMS

__all__ = ["CASES"]

N = 4096


def many(op: str | tuple[str, ...], name: str, *inputs: Any, counts: tuple[int, ...] = (),
         **attrs: Any) -> ManyCase:
    """A call on arrays of these shapes that hold 0.5, 1 and 1.5: sums grow, and are exact in float32."""
    drawn = tuple(Draw(i, "halves") if isinstance(i, tuple) else i for i in inputs)
    per_op = attrs if isinstance(op, str) else tuple(attrs.get(part, {}) for part in op)
    return ManyCase(op, f"{name}-of-many", drawn, per_op, SUMS, counts)


BATCH, ROW, IMAGES = (N, 2), (2,), (16, 2, 16, 16)
LABELS = Draw((N,), "labels", classes=2)

CASES = (
    *(many(op, name, BATCH, axis=axis, keepdims=False)
      for op in ("sum", "mean", "max") for name, axis in (("columns", 0), ("everything", None))),
    *(many(op, "row", BATCH, ROW) for op in ("add", "sub", "mul", "div")),
    many("where", "row", Draw(BATCH, "bools"), BATCH, ROW),
    many("expand", "row", (1, 2), shape=BATCH),
    many("getitem", "first", (3, 2), index=np.zeros(N, np.int64)),
    many("matmul", "products", (2, N), (N, 3)),
    many("matmul", "batches", (N // 2, 2, 2), (2, 3)),
    many("linear", "batch", BATCH, (3, 2), (3,)),
    many("conv", "pixels", IMAGES, (3, 2, 1, 1), (3,), **CONV),
    many(("conv", "relu"), "pixels", IMAGES, (3, 2, 1, 1), (3,), counts=(3, 0), conv=CONV),
    many("batch_norm", "pixels", IMAGES, ROW, ROW, None, None,
         training=True, momentum=0.1, eps=1e-5),
    many("batch_norm", "pixels-mixed", IMAGES, *(Draw(ROW, "halves", mixed=True),) * 2, None, None,
         training=True, momentum=0.1, eps=1e-5),
    many("avg_pool", "window", (1, 1, 64, 64), **{**AVG, "kernel_size": (64, 64)}),
    many("adaptive_avg_pool", "window", (1, 1, 64, 64), output_size=(1, 1)),
    *(many(op, "classes", (2, N), axis=1) for op in ("softmax", "log_softmax")),
    # fewer samples of more classes: their losses sum up to as much, and an emulator is slow
    many("cross_entropy", "sum", (N // 4, 32), Draw((N // 4,), "labels", classes=32), None, ignore_index=-100,
         reduction="sum", label_smoothing=0.0),
    many("nll_loss", "sum", BATCH, LABELS, None, ignore_index=-100, reduction="sum"),
    *(many("mse_loss", reduction, BATCH, BATCH, reduction=reduction) for reduction in ("mean", "sum")),
)
