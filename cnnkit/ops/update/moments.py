"""Updates by running averages of the gradient and of its size: adam and what follows it."""

from __future__ import annotations

import math
from collections.abc import MutableMapping, Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.update.core import State, average, norm, one_by_one, update

__all__ = ["adam", "adamax", "lamb", "nadam", "radam"]

Array = Any


@update
def adam(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float,
         betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool,
         decoupled_weight_decay: bool, maximize: bool, workspace: MutableMapping) -> tuple[list, State]:
    """Adam (Kingma, Ba 2015), AMSGrad (Reddi et al. 2018), AdamW with decoupled decay (Loshchilov, Hutter
    2019).

    m = beta1 * m + (1 - beta1) * g;  v = beta2 * v + (1 - beta2) * g * g;
    p = p - lr / (1 - beta1 ** t) * m / (sqrt(v / (1 - beta2 ** t)) + eps),
    where t counts the parameter's steps.
    Weight decay is added to g, or with `decoupled_weight_decay` p is multiplied by
    1 - lr * weight_decay first.
    State: ``step``, ``exp_avg`` (m), ``exp_avg_sq`` (v),
    and with `amsgrad` ``max_exp_avg_sq`` (the largest v so far).
    """
    beta1, beta2 = betas
    steps, means, squares, largest = (list(state.get(name) or [None] * len(params)) for name in
                                      ("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"))
    new = list(params)
    for i, (p, g) in enumerate(zip(params, grads)):
        if g is None:
            continue
        xp = namespace_of(p)
        if maximize:
            g = -g
        if weight_decay and decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        elif weight_decay:
            g = g + weight_decay * p
        first = steps[i] is None
        steps[i] = t = 1 if first else steps[i] + 1
        means[i] = m = (1 - beta1) * g if first else beta1 * means[i] + (1 - beta1) * g
        squares[i] = v = (1 - beta2) * (g * g) if first else beta2 * squares[i] + (1 - beta2) * (g * g)
        if amsgrad:
            largest[i] = v = v if largest[i] is None else xp.maximum(largest[i], v)
        new[i] = p - (lr / (1 - beta1 ** t)) * m / (xp.sqrt(v) * (1 / math.sqrt(1 - beta2 ** t)) + eps)
    new_state = {"step": steps, "exp_avg": means, "exp_avg_sq": squares}
    return new, {**new_state, "max_exp_avg_sq": largest} if amsgrad else new_state


@update
def adamax(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float,
           betas: tuple[float, float], eps: float, weight_decay: float, maximize: bool,
           workspace: MutableMapping) -> tuple[list, State]:
    """AdaMax (Kingma, Ba 2015, section 7.1): Adam with a running maximum in place of the second average.

    m = beta1 * m + (1 - beta1) * g;  u = max(beta2 * u, |g| + eps);  p = p - lr / (1 - beta1 ** t) * m / u.
    State: ``step`` (t), ``exp_avg`` (m), ``exp_inf`` (u).
    """
    beta1, beta2 = betas

    def one(p: Array, g: Array, step: int | None, m: Array, u: Array) -> tuple:
        xp, t = namespace_of(p), (step or 0) + 1
        if maximize:
            g = -g
        if weight_decay:
            g = g + weight_decay * p
        m, size = average(m, g, beta1), xp.abs(g) + eps
        u = size if u is None else xp.maximum(beta2 * u, size)
        return p - (lr / (1 - beta1 ** t)) * (m / u), t, m, u
    return one_by_one(params, grads, state, ("step", "exp_avg", "exp_inf"), one)


@update
def nadam(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float,
          betas: tuple[float, float], eps: float, weight_decay: float, momentum_decay: float,
          decoupled_weight_decay: bool, maximize: bool, workspace: MutableMapping) -> tuple[list, State]:
    """NAdam (Dozat 2016): Adam with Nesterov's momentum, on a schedule.

    mu(t) = beta1 * (1 - 0.96 ** (t * momentum_decay) / 2), and M the product of mu(1) to mu(t);
    d = sqrt(v / (1 - beta2 ** t)) + eps, with m and v as in `adam`;
    p = p - lr * (1 - mu(t)) / (1 - M) * g / d - lr * mu(t + 1) / (1 - M * mu(t + 1)) * m / d.
    State: ``step`` (t), ``mu_product`` (M), a Python float, ``exp_avg`` (m), ``exp_avg_sq`` (v).
    """
    beta1, beta2 = betas

    def one(p: Array, g: Array, step: int | None, product: float | None, m: Array, v: Array) -> tuple:
        t = (step or 0) + 1
        if maximize:
            g = -g
        if weight_decay and decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        elif weight_decay:
            g = g + weight_decay * p
        mu, following = (beta1 * (1 - 0.5 * 0.96 ** (n * momentum_decay)) for n in (t, t + 1))
        product = mu if product is None else product * mu
        m, v = average(m, g, beta1), average(v, g * g, beta2)
        divisor = namespace_of(p).sqrt(v * (1 / (1 - beta2 ** t))) + eps
        p = p - (lr * (1 - mu) / (1 - product)) * (g / divisor)
        return p - (lr * following / (1 - product * following)) * (m / divisor), t, product, m, v
    return one_by_one(params, grads, state, ("step", "mu_product", "exp_avg", "exp_avg_sq"), one)


@update
def radam(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float,
          betas: tuple[float, float], eps: float, weight_decay: float, decoupled_weight_decay: bool,
          maximize: bool, workspace: MutableMapping) -> tuple[list, State]:
    """RAdam (Liu et al. 2020): Adam that divides by the second average once enough steps are in it.

    rho = 2 / (1 - beta2) - 1;  r = rho - 2 * t * beta2 ** t / (1 - beta2 ** t), the length of the average;
    p = p - lr * m / (1 - beta1 ** t), and where r > 5 the last term times
    sqrt((r - 4) * (r - 2) * rho / ((rho - 4) * (rho - 2) * r)) * sqrt(1 - beta2 ** t) / (sqrt(v) + eps).
    State: ``step`` (t), ``exp_avg`` (m), ``exp_avg_sq`` (v), as in `adam`.
    """
    beta1, beta2 = betas
    longest = 2 / (1 - beta2) - 1

    def one(p: Array, g: Array, step: int | None, m: Array, v: Array) -> tuple:
        t = (step or 0) + 1
        if maximize:
            g = -g
        if weight_decay and decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        elif weight_decay:
            g = g + weight_decay * p
        m, v = average(m, g, beta1), average(v, g * g, beta2)
        rate, corrected = lr / (1 - beta1 ** t), 1 - beta2 ** t
        length = longest - 2 * t * beta2 ** t / corrected
        if length <= 5:
            return p - rate * m, t, m, v
        rectified = math.sqrt((length - 4) * (length - 2) * longest
                              / ((longest - 4) * (longest - 2) * length))
        return (p - (rate * rectified * math.sqrt(corrected)) * (m / (namespace_of(p).sqrt(v) + eps)),
                t, m, v)
    return one_by_one(params, grads, state, ("step", "exp_avg", "exp_avg_sq"), one)


@update
def lamb(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float,
         betas: tuple[float, float], eps: float, weight_decay: float, maximize: bool,
         workspace: MutableMapping) -> tuple[list, State]:
    """LAMB (You et al. 2020): AdamW's step, as long for each parameter as the rate times its norm.

    s = m / (1 - beta1 ** t) / (sqrt(v / (1 - beta2 ** t)) + eps) + weight_decay * p, with m and v of `adam`;
    p = p - lr * |p| / |s| * s, and p - lr * s where a norm is 0.
    State: ``step`` (t), ``exp_avg`` (m), ``exp_avg_sq`` (v).
    """
    beta1, beta2 = betas

    def one(p: Array, g: Array, step: int | None, m: Array, v: Array) -> tuple:
        xp, t = namespace_of(p), (step or 0) + 1
        if maximize:
            g = -g
        m, v = average(m, g, beta1), average(v, g * g, beta2)
        s = m * (1 / (1 - beta1 ** t)) / (xp.sqrt(v * (1 / (1 - beta2 ** t))) + eps) + weight_decay * p
        size, length = norm(p), norm(s)
        moves = (size > 0) & (length > 0)
        ratio = xp.where(moves, size / xp.where(moves, length, xp.ones_like(length)), xp.ones_like(size))
        return p - lr * ratio * s, t, m, v
    return one_by_one(params, grads, state, ("step", "exp_avg", "exp_avg_sq"), one)
