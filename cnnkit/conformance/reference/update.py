"""Optimizer updates on single numbers: the ground truth for `sgd` and `adam`."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["UPDATES"]

Memory = dict[str, float]  # what the update remembers about one number; empty before its first step


def sgd(p: float, g: float, memory: Memory, *, lr: float, momentum: float, dampening: float,
        weight_decay: float, nesterov: bool, maximize: bool) -> tuple[float, Memory]:
    """p - lr b, where b = momentum b + (1 - dampening) g (at first g); with Nesterov p - lr (g +
    momentum b).
    """
    g = (-g if maximize else g) + weight_decay * p
    if not momentum:
        return p - lr * g, {}
    b = momentum * memory["momentum_buffer"] + (1 - dampening) * g if memory else g
    return p - lr * (g + momentum * b if nesterov else b), {"momentum_buffer": b}


def adam(p: float, g: float, memory: Memory, *, lr: float, betas: tuple[float, float], eps: float,
         weight_decay: float, amsgrad: bool, decoupled: bool, maximize: bool) -> tuple[float, Memory]:
    """Kingma and Ba 2015, algorithm 1; weight decay in g, or with `decoupled` in p (Loshchilov and
    Hutter 2019).
    """
    memory = memory or {"step": 0, "exp_avg": 0.0, "exp_avg_sq": 0.0, "max_exp_avg_sq": 0.0}
    g = -g if maximize else g
    if decoupled:
        p = p - lr * weight_decay * p
    else:
        g = g + weight_decay * p
    t = memory["step"] + 1
    m = betas[0] * memory["exp_avg"] + (1 - betas[0]) * g
    v = betas[1] * memory["exp_avg_sq"] + (1 - betas[1]) * g * g
    top = max(memory["max_exp_avg_sq"], v)
    corrected = (top if amsgrad else v) / (1 - betas[1]**t)
    p = p - lr * (m / (1 - betas[0]**t)) / (math.sqrt(corrected) + eps)
    return p, {"step": t, "exp_avg": m, "exp_avg_sq": v, "max_exp_avg_sq": top}


UPDATES: dict[str, Callable[..., tuple[float, Memory]]] = {"sgd": sgd, "adam": adam}
