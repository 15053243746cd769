"""Cross-entropy over class indices: softmax, loss and gradient in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnkit.backends import decline
from cnnkit_cpu import library
from cnnkit_cpu.layout import empty_channels_last, to_channels_last
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed

INT64 = np.dtype(np.int64)


def cross_entropy(logits: np.ndarray, target: np.ndarray, weight: np.ndarray | None, *, needs: Sequence[bool],
                  ignore_index: int, reduction: str, label_smoothing: float) -> tuple:
    """The op of the same name for class indices, of images or of pixels; NumPy's kernel serves the rest.

    Scores of pixels have their classes last in memory, or get them there: then they are a matrix.
    """
    if (logits.dtype != FLOAT or logits.ndim not in (2, 3, 4) or target.dtype.kind not in "iu"
            or weight is not None or label_smoothing or not logits.size
            or not -2**63 <= ignore_index < 2**63):
        return decline(f"{logits.dtype} scores of shape {logits.shape}, {target.dtype} targets, ignore_index "
                       f"{ignore_index}; it serves float32 (N, C, ...) and class indices of 64 bits, "
                       "without class weights or label smoothing")
    owner, shape, C = library.active, target.shape, logits.shape[1]
    N = target.size
    logits = packed(logits) if logits.ndim == 2 else to_channels_last(logits)
    target = packed(target if target.dtype == INT64 else target.astype(INT64))
    losses, gradient = empty(shape), _like(logits)
    invalid = owner.cross_entropy(library.threads, N, C, address(logits), address(target), ignore_index,
                                  address(losses), address(gradient))
    if invalid >= 0:
        return decline(f"the label {target.reshape(-1)[invalid]} is ignored or no class from 0 to {C - 1}")
    per_sample, divisor, loss = reduction == "none", N if reduction == "mean" else 1, losses
    if not per_sample:
        loss = empty(())
        owner.mean_of(N, address(losses), divisor, address(loss))

    def backward(dy: np.ndarray) -> tuple:
        dy, dx = packed(np.asarray(dy, FLOAT)), _like(logits)  # ops give scalars of NumPy's too
        factors = dy
        if divisor != 1:
            factors = empty(())
            owner.divided(address(dy), divisor, address(factors))
        owner.scale_rows(library.threads, N, C, address(gradient), address(factors), per_sample, address(dx))
        return dx, None, None
    return loss, backward if needs[0] else None


def _like(logits: np.ndarray) -> np.ndarray:
    return empty(logits.shape) if logits.ndim == 2 else empty_channels_last(logits.shape)
