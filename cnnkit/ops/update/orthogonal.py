"""The update of matrices along the nearest orthogonal one: muon."""

from __future__ import annotations

import math
from collections.abc import MutableMapping, Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.update.core import State, average, norm, one_by_one, update

__all__ = ["muon"]

Array = Any


@update
def muon(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float,
         weight_decay: float, momentum: float, nesterov: bool, ns_coefficients: tuple[float, float, float],
         eps: float, ns_steps: int, adjust_lr_fn: str | None,
         workspace: MutableMapping) -> tuple[list, State]:
    """Muon (Jordan et al. 2024): momentum, made nearly orthogonal by Newton's iteration; as in PyTorch.

    b = momentum * b + (1 - momentum) * g;  u = orthogonal(b), or with `nesterov` of
    (1 - momentum) * g + momentum * b;  p = (1 - lr * weight_decay) * p - scale * lr * u, where scale =
    sqrt(max(1, rows / columns)), or for ``"match_rms_adamw"`` 0.2 * sqrt(max(rows, columns)).
    State: ``momentum_buffer`` (b). Parameters have two axes.
    """
    def one(p: Array, g: Array, b: Array) -> tuple:
        rows, columns = p.shape
        b = average(b, g, momentum)
        u = orthogonal((1 - momentum) * g + momentum * b if nesterov else b, ns_coefficients, ns_steps, eps)
        scale = (0.2 * math.sqrt(max(rows, columns)) if adjust_lr_fn == "match_rms_adamw"
                 else math.sqrt(max(1, rows / columns)))
        return p * (1 - lr * weight_decay) - (scale * lr) * u, b
    return one_by_one(params, grads, state, ("momentum_buffer",), one)


def orthogonal(x: Array, coefficients: tuple[float, float, float], steps: int, eps: float) -> Array:
    """A matrix with x's singular vectors and values near 1: `steps` times (a + b S + c S S) x, S = x x'."""
    a, b, c = coefficients
    xp = namespace_of(x)
    wide = x.shape[0] <= x.shape[1]
    size = norm(x)
    x = (x if wide else x.T) / xp.where(size > eps, size, xp.full_like(size, eps))
    for _ in range(steps):
        square = xp.matmul(x, x.T)
        x = a * x + xp.matmul(b * square + c * xp.matmul(square, square), x)
    return x if wide else x.T
