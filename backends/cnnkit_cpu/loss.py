"""Cross-entropy over class indices: softmax, loss and gradient in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnkit.backends import decline
from cnnkit_cpu import library
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed

INT64 = np.dtype(np.int64)


def cross_entropy(logits: np.ndarray, target: np.ndarray, weight: np.ndarray | None, *, needs: Sequence[bool],
                  ignore_index: int, reduction: str, label_smoothing: float) -> tuple:
    """The op of the same name, for a matrix of scores and class indices; NumPy's kernel serves the rest."""
    if (logits.dtype != FLOAT or logits.ndim != 2 or target.dtype.kind not in "iu" or weight is not None
            or label_smoothing or not logits.size or not -2**63 <= ignore_index < 2**63):
        return decline(f"{logits.dtype} scores of shape {logits.shape}, {target.dtype} targets, ignore_index "
                       f"{ignore_index}; it serves float32 (N, C) and class indices of 64 bits, without "
                       "class weights or label smoothing")
    N, C = logits.shape
    owner = library.active
    logits, target = packed(logits), packed(target if target.dtype == INT64 else target.astype(INT64))
    losses, gradient = empty((N,)), empty((N, C))
    invalid = owner.cross_entropy(library.threads, N, C, address(logits), address(target), ignore_index,
                                  address(losses), address(gradient))
    if invalid >= 0:
        return decline(f"the label {target[invalid]} is ignored or no class from 0 to {C - 1}")
    per_sample = reduction == "none"
    if per_sample:
        loss = losses
    else:
        total = owner.sum_of(N, address(losses))
        loss = np.array(total / N if reduction == "mean" else total, FLOAT)

    def backward(dy: np.ndarray) -> tuple:
        factors = packed(dy) if per_sample else np.array(float(dy) / N if reduction == "mean" else dy, FLOAT)
        dx = empty((N, C))
        owner.scale_rows(library.threads, N, C, address(gradient), address(factors), per_sample, address(dx))
        return dx, None, None
    return loss, backward if needs[0] else None
