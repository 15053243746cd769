"""Softmax cross-entropy on a CUDA device, without a synchronisation. See `cnnkit.ops.loss`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

from cnnkit.backends import backend_of, dtype_name
from cnnkit_cupy.launcher import In, Kernel, Out, Scalar, Struct, contiguous, declare, launch, strides
from cnnkit_cupy.types import TYPES

Array = Any
LABELS = {"int64": "long long", "int32": "int"}
THREADS, SAMPLES = 256, 8  # samples: a block has 8 warps

LOSS = Struct("Loss")
for _dtype, _t in TYPES.items():
    declare(Kernel("loss", f"reduce_losses<{_t}>", (In("float32"), In("float32"), Out(_dtype), Out("float32"), LOSS),
                   shared=4 * THREADS),
            Kernel("loss", f"cross_entropy_backward<{_t}>", (In("float32"), In(_dtype, strided=True), In("float32", optional=True),
                                                             Out(_dtype), Scalar("int64"), LOSS)),
            ops=("cross_entropy",))
for (_dtype, _t), (_label, _l) in product(TYPES.items(), LABELS.items()):
    declare(Kernel("loss", f"cross_entropy<{_t}, {_l}>", (In(_dtype, strided=True), In(_label), In(_dtype, optional=True),
                                                          Out("float32"), Out("float32"), Out("float32", optional=True), LOSS)),
            ops=("cross_entropy",))


def cross_entropy(logits: Array, target: Array, weight: Array | None, *, needs: Sequence[bool], ignore_index: int, reduction: str,
                  label_smoothing: float) -> Any:
    """See `cnnkit.ops.loss.cross_entropy`; served are logits (N, C) with class indices."""
    kind, label = TYPES.get(dtype_name(logits.dtype)), LABELS.get(dtype_name(target.dtype))
    if kind is None or label is None or logits.ndim != 2 or any(needs[1:]) or max(logits.shape) >= 2**31 - THREADS:
        return NotImplemented
    if not contiguous(target) or (weight is not None and (weight.dtype != logits.dtype or not contiguous(weight))):
        return NotImplemented
    device, dtype, (N, C) = backend_of(logits).cuda, logits.dtype, logits.shape
    sample, step = strides(logits)
    loss = {"N": N, "C": C, "sample_stride": sample, "class_stride": step, "ignored": ignore_index,
            "smoothing": label_smoothing, "mean": int(reduction == "mean")}
    losses, totals = (device.empty((N,), "float32", logits) for _ in range(2))
    gradient = device.empty((N, C), "float32", logits) if needs[0] else None
    launch(device, f"cross_entropy<{kind}, {label}>", (-(-N // SAMPLES), 1, 1), logits, target, weight, losses, totals,
           gradient, loss)
    total = None
    if reduction == "none":
        result = backend_of(logits).namespace.astype(losses, dtype, copy=False)
    else:
        result, total = device.empty((), dtype, logits), device.empty((), "float32", logits)
        launch(device, f"reduce_losses<{kind}>", (1, 1, 1), losses, totals, result, total, loss)

    def backward(dy: Array) -> tuple:
        dlogits = device.empty((N, C), dtype, dy)
        launch(device, f"cross_entropy_backward<{kind}>", (-(-prod((N, C)) // THREADS), 1, 1), gradient, dy, total, dlogits,
               strides(dy)[0] if dy.ndim else 0, loss)
        return dlogits, None, None
    return result, backward if needs[0] else None
