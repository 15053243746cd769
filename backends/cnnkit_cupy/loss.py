"""Softmax cross-entropy on a CUDA device, without a synchronisation. See `cnnkit.ops.loss`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from cnnkit.backends import backend_of, decline, dtype_name
from cnnkit_cupy.contracts import device_of
from cnnkit_cupy.launcher import Kernel, declare, launch
from cnnkit_cupy.parameters import In, Out, Struct, contiguous, strides
from cnnkit_cupy.types import TYPES

Array = Any
LABELS = {"int64": "long long", "int32": "int"}
THREADS, SAMPLES = 256, 8  # samples: a block has 8 warps

BY, LOSS = Struct("Strides"), Struct("Loss")
for (_dtype, _t), (_label, _l) in product(TYPES.items(), LABELS.items()):
    declare(Kernel("loss", f"cross_entropy<{_t}, {_l}>",
                   (In(_dtype, strided=True), In(_label), In(_dtype, optional=True),
                    Out("float32"), Out("float32"), Out("float32", optional=True), Out(_dtype, optional=True),
                    Out("float32", optional=True), Out("uint32", optional=True), BY, LOSS),
                   shared=4 * THREADS + 4, launch_bounds=(256, 4)),
            Kernel("loss", f"cross_entropy_backward<{_t}, {_l}>",
                   (In("float32"), In(_label), In(_dtype, strided=True), In("float32", optional=True),
                    Out(_dtype, channels_last=True), BY, LOSS)),
            ops=("cross_entropy",))


def cross_entropy(logits: Array, target: Array, weight: Array | None, *, needs: Sequence[bool],
                  ignore_index: int, reduction: str, label_smoothing: float) -> Any:
    """See `cnnkit.ops.loss.cross_entropy`; it serves logits (N, C) and (N, C, H, W) with class indices."""
    cuda_type, label = TYPES.get(dtype_name(logits.dtype)), LABELS.get(dtype_name(target.dtype))
    if (cuda_type is None or label is None or logits.ndim not in (2, 4) or any(needs[1:])
            or not 0 < target.size < 2**31 - THREADS):
        return decline(f"{dtype_name(logits.dtype)} scores of shape {tuple(logits.shape)}, "
                       f"{target.size} {dtype_name(target.dtype)} targets; it serves {', '.join(TYPES)} "
                       "scores (N, C) or (N, C, H, W) and class indices, with a gradient of the scores alone")
    if not contiguous(target) or (weight is not None
                                  and (weight.dtype != logits.dtype or not contiguous(weight))):
        return decline("targets or class weights have gaps in memory, or the weights are of another dtype")
    backend, dtype, shape, (N, C, H, W) = (backend_of(logits), logits.dtype, tuple(target.shape),
                                           (*logits.shape, 1, 1)[:4])
    device, samples, is_map = device_of(backend), N * H * W, logits.ndim == 4
    loss = {"samples": samples, "C": C, "H": H, "W": W, "ignored": ignore_index, "smoothing": label_smoothing,
            "mean": int(reduction == "mean")}
    losses, totals = device.empty(shape, "float32", logits), device.empty(shape, "float32", logits)
    gradient = device.empty((samples, C), "float32", logits) if needs[0] else None
    result = total = counter = None
    if reduction != "none":
        result, total = device.empty((), dtype, logits), device.empty((), "float32", logits)
        counter = device.counters(1, logits)
    launch(device, f"cross_entropy<{cuda_type}, {label}>", (-(-samples // SAMPLES), 1, 1), logits, target,
           weight, losses, totals, gradient, result, total, counter, (*strides(logits), 0, 0)[:4], loss)
    if result is None:
        result = backend.namespace.astype(losses, dtype, copy=False)

    def backward(dy: Array) -> tuple:
        dlogits = device.empty((N, C, H, W), dtype, dy, channels_last=True)
        n, h, w = (*strides(dy), 0, 0, 0)[:3]
        launch(device, f"cross_entropy_backward<{cuda_type}, {label}>", (-(-samples * C // THREADS), 1, 1),
               gradient, target, dy, total, dlogits, (n, 0, h, w), loss)
        return dlogits if is_map else backend.namespace.reshape(dlogits, (N, C)), None, None
    return result, backward if needs[0] else None
