"""Optimizer updates on single numbers: the ground truth of `sgd`, `adam` and the like.

Those that look at a parameter as a whole are in `whole_update`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cnnkit.conformance.reference.whole_update import WHOLE

__all__ = ["stepped"]

Memory = dict[str, float]  # what the update remembers about one number; empty before its first step
Pair = tuple[float, float]


def stepped(kernel: str, p: np.ndarray, g: np.ndarray, memory: dict[Any, Any],
            attrs: Mapping[str, Any]) -> np.ndarray:
    """A parameter after a step, in float64; `memory` is changed, and empty before the first step."""
    if kernel in WHOLE:
        return WHOLE[kernel](p, g, memory, **attrs)
    new = p.copy()
    for index in np.ndindex(p.shape):
        new[index], memory[index] = UPDATES[kernel](float(p[index]), float(g[index]), memory.get(index, {}),
                                                    **attrs)
    return new


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


def adam(p: float, g: float, memory: Memory, *, lr: float, betas: Pair, eps: float, weight_decay: float,
         amsgrad: bool, decoupled_weight_decay: bool, maximize: bool) -> tuple[float, Memory]:
    """Kingma and Ba 2015, algorithm 1; weight decay in g, or decoupled in p (Loshchilov and Hutter 2019)."""
    memory = memory or {"step": 0, "exp_avg": 0.0, "exp_avg_sq": 0.0, "max_exp_avg_sq": 0.0}
    p, g = decayed(p, -g if maximize else g, lr, weight_decay, decoupled_weight_decay)
    t, m, v = averages(memory, g, betas)
    top = max(memory["max_exp_avg_sq"], v)
    corrected = (top if amsgrad else v) / (1 - betas[1]**t)
    p = p - lr * (m / (1 - betas[0]**t)) / (math.sqrt(corrected) + eps)
    return p, {"step": t, "exp_avg": m, "exp_avg_sq": v, "max_exp_avg_sq": top}


def adamax(p: float, g: float, memory: Memory, *, lr: float, betas: Pair, eps: float, weight_decay: float,
           maximize: bool) -> tuple[float, Memory]:
    """Kingma and Ba 2015, algorithm 2; `eps` is added to the gradient's size."""
    memory = memory or {"step": 0, "exp_avg": 0.0, "exp_inf": 0.0}
    g = (-g if maximize else g) + weight_decay * p
    t = memory["step"] + 1
    m = betas[0] * memory["exp_avg"] + (1 - betas[0]) * g
    u = max(betas[1] * memory["exp_inf"], abs(g) + eps)
    return p - lr / (1 - betas[0]**t) * m / u, {"step": t, "exp_avg": m, "exp_inf": u}


def nadam(p: float, g: float, memory: Memory, *, lr: float, betas: Pair, eps: float, weight_decay: float,
          momentum_decay: float, decoupled_weight_decay: bool, maximize: bool) -> tuple[float, Memory]:
    """Dozat 2016, algorithm 8, with the momentum of its section 3.2."""
    memory = memory or {"step": 0, "mu_product": 1.0, "exp_avg": 0.0, "exp_avg_sq": 0.0}
    p, g = decayed(p, -g if maximize else g, lr, weight_decay, decoupled_weight_decay)
    t, m, v = averages(memory, g, betas)
    mu, mu_next = (betas[0] * (1 - 0.96**(n * momentum_decay) / 2) for n in (t, t + 1))
    product = memory["mu_product"] * mu
    mean = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
    p = p - lr * mean / (math.sqrt(v / (1 - betas[1]**t)) + eps)
    return p, {"step": t, "mu_product": product, "exp_avg": m, "exp_avg_sq": v}


def radam(p: float, g: float, memory: Memory, *, lr: float, betas: Pair, eps: float, weight_decay: float,
          decoupled_weight_decay: bool, maximize: bool) -> tuple[float, Memory]:
    """Liu et al. 2020, algorithm 2, where r must be above 5, as in PyTorch; the paper says 4."""
    memory = memory or {"step": 0, "exp_avg": 0.0, "exp_avg_sq": 0.0}
    p, g = decayed(p, -g if maximize else g, lr, weight_decay, decoupled_weight_decay)
    t, m, v = averages(memory, g, betas)
    longest = 2 / (1 - betas[1]) - 1
    r = longest - 2 * t * betas[1]**t / (1 - betas[1]**t)
    step = lr * m / (1 - betas[0]**t)
    if r > 5:
        step *= math.sqrt(1 - betas[1]**t) / (math.sqrt(v) + eps)
        step *= math.sqrt((r - 4) * (r - 2) * longest / ((longest - 4) * (longest - 2) * r))
    return p - step, {"step": t, "exp_avg": m, "exp_avg_sq": v}


def rmsprop(p: float, g: float, memory: Memory, *, lr: float, alpha: float, eps: float, weight_decay: float,
            momentum: float, centered: bool, maximize: bool) -> tuple[float, Memory]:
    """Tieleman and Hinton 2012; centered, Graves 2013, equations 38 to 41."""
    memory = memory or {"square_avg": 0.0, "grad_avg": 0.0, "momentum_buffer": 0.0}
    g = (-g if maximize else g) + weight_decay * p
    v = alpha * memory["square_avg"] + (1 - alpha) * g * g
    a = alpha * memory["grad_avg"] + (1 - alpha) * g if centered else 0.0
    b = momentum * memory["momentum_buffer"] + g / (math.sqrt(v - a * a) + eps)
    return p - lr * b, {"square_avg": v, "grad_avg": a, "momentum_buffer": b}


def adagrad(p: float, g: float, memory: Memory, *, lr: float, lr_decay: float, weight_decay: float,
            initial_accumulator_value: float, eps: float, maximize: bool) -> tuple[float, Memory]:
    """Duchi, Hazan and Singer 2011, figure 1, with a diagonal matrix."""
    memory = memory or {"step": 0, "sum": initial_accumulator_value}
    g = (-g if maximize else g) + weight_decay * p
    total = memory["sum"] + g * g
    rate = lr / (1 + memory["step"] * lr_decay)
    return p - rate * g / (math.sqrt(total) + eps), {"step": memory["step"] + 1, "sum": total}


def adadelta(p: float, g: float, memory: Memory, *, lr: float, rho: float, eps: float, weight_decay: float,
             maximize: bool) -> tuple[float, Memory]:
    """Zeiler 2012, algorithm 1."""
    memory = memory or {"square_avg": 0.0, "acc_delta": 0.0}
    g = (-g if maximize else g) + weight_decay * p
    v = rho * memory["square_avg"] + (1 - rho) * g * g
    s = math.sqrt(memory["acc_delta"] + eps) / math.sqrt(v + eps) * g
    return p - lr * s, {"square_avg": v, "acc_delta": rho * memory["acc_delta"] + (1 - rho) * s * s}


def asgd(p: float, g: float, memory: Memory, *, lr: float, lambd: float, alpha: float, t0: float,
         weight_decay: float, maximize: bool) -> tuple[float, Memory]:
    """Polyak and Juditsky 1992: the rate falls from `lr`, and parameters are averaged after `t0`."""
    memory = memory or {"step": 0, "eta": lr, "mu": 1.0, "ax": 0.0}
    g = (-g if maximize else g) + weight_decay * p
    t = memory["step"] + 1
    p = p - memory["eta"] * (lambd * p + g)
    ax = memory["ax"] + memory["mu"] * (p - memory["ax"])
    return p, {"step": t, "eta": lr / (1 + lambd * lr * t)**alpha, "mu": 1 / max(1.0, t - t0), "ax": ax}


def rprop(p: float, g: float, memory: Memory, *, lr: float, etas: Pair, step_sizes: Pair,
          maximize: bool) -> tuple[float, Memory]:
    """Riedmiller and Braun 1993, without going back where the sign has changed."""
    memory = memory or {"prev": 0.0, "step_size": lr}
    g = -g if maximize else g
    sign = g * memory["prev"]
    size = memory["step_size"] * (etas[1] if sign > 0 else etas[0] if sign < 0 else 1.0)
    size = min(max(size, step_sizes[0]), step_sizes[1])
    g = 0.0 if sign < 0 else g
    return p - size * ((g > 0) - (g < 0)), {"prev": g, "step_size": size}


def lion(p: float, g: float, memory: Memory, *, lr: float, betas: Pair, weight_decay: float,
         maximize: bool) -> tuple[float, Memory]:
    """Chen et al. 2023, algorithm 2."""
    m = memory.get("exp_avg", 0.0)
    g = -g if maximize else g
    c = betas[0] * m + (1 - betas[0]) * g
    return p - lr * ((c > 0) - (c < 0) + weight_decay * p), {"exp_avg": betas[1] * m + (1 - betas[1]) * g}


def decayed(p: float, g: float, lr: float, weight_decay: float, decoupled: bool) -> Pair:
    """The number and its gradient with weight decay: in the number itself, or in the gradient."""
    return (p - lr * weight_decay * p, g) if decoupled else (p, g + weight_decay * p)


def averages(memory: Memory, g: float, betas: Pair) -> tuple[float, float, float]:
    """The step's number and Adam's two running averages after it."""
    return (memory["step"] + 1, betas[0] * memory["exp_avg"] + (1 - betas[0]) * g,
            betas[1] * memory["exp_avg_sq"] + (1 - betas[1]) * g * g)


UPDATES: dict[str, Callable[..., tuple[float, Memory]]] = {
    "adadelta": adadelta, "adagrad": adagrad, "adam": adam, "adamax": adamax, "asgd": asgd, "lion": lion,
    "nadam": nadam, "radam": radam, "rmsprop": rmsprop, "rprop": rprop, "sgd": sgd}
