"""Updates that divide by the root of the gradients' squares: adadelta, adagrad, rmsprop."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.update.core import State, average, one_by_one, update

__all__ = ["adadelta", "adagrad", "rmsprop"]

Array = Any


@update
def rmsprop(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float, alpha: float,
            eps: float, weight_decay: float, momentum: float, centered: bool, maximize: bool,
            workspace: MutableMapping) -> tuple[list, State]:
    """RMSprop (Tieleman, Hinton 2012); `centered`, by the variance (Graves 2013).

    v = alpha * v + (1 - alpha) * g * g;  d = sqrt(v) + eps, or `centered` sqrt(v - a * a) + eps, where a is
    such an average of g; p = p - lr * g / d, or with momentum b = momentum * b + g / d, and p = p - lr * b.
    State: ``step``, ``square_avg`` (v), ``momentum_buffer`` (b) where momentum is not 0, ``grad_avg`` (a)
    where `centered`.
    """
    names = ("step", "square_avg", *["momentum_buffer"] * (momentum > 0), *["grad_avg"] * centered)

    def one(p: Array, g: Array, step: int | None, v: Array, *rest: Array) -> tuple:
        xp = namespace_of(p)
        if maximize:
            g = -g
        if weight_decay:
            g = g + weight_decay * p
        v = average(v, g * g, alpha)
        a = average(rest[-1], g, alpha) if centered else 0
        scaled = g / (xp.sqrt(v - a * a if centered else v) + eps)
        kept: list = []
        if momentum > 0:
            scaled = xp.asarray(scaled) if rest[0] is None else momentum * rest[0] + scaled
            kept = [scaled]
        return p - lr * scaled, (step or 0) + 1, v, *kept, *([a] if centered else [])
    return one_by_one(params, grads, state, names, one)


@update
def adagrad(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float,
            lr_decay: float, weight_decay: float, initial_accumulator_value: float, eps: float,
            maximize: bool, workspace: MutableMapping) -> tuple[list, State]:
    """Adagrad (Duchi, Hazan, Singer 2011).

    s = s + g * g, at first `initial_accumulator_value`;
    p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps).
    State: ``step`` (t), ``sum`` (s).
    """
    def one(p: Array, g: Array, step: int | None, total: Array) -> tuple:
        t = (step or 0) + 1
        if maximize:
            g = -g
        if weight_decay:
            g = g + weight_decay * p
        total = g * g + (initial_accumulator_value if total is None else total)
        return p - (lr / (1 + (t - 1) * lr_decay)) * (g / (namespace_of(p).sqrt(total) + eps)), t, total
    return one_by_one(params, grads, state, ("step", "sum"), one)


@update
def adadelta(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float, rho: float,
             eps: float, weight_decay: float, maximize: bool,
             workspace: MutableMapping) -> tuple[list, State]:
    """Adadelta (Zeiler 2012).

    v = rho * v + (1 - rho) * g * g;  s = sqrt(u + eps) / sqrt(v + eps) * g;
    u = rho * u + (1 - rho) * s * s;  p = p - lr * s.
    State: ``step``, ``square_avg`` (v), ``acc_delta`` (u).
    """
    def one(p: Array, g: Array, step: int | None, v: Array, u: Array) -> tuple:
        xp = namespace_of(p)
        if maximize:
            g = -g
        if weight_decay:
            g = g + weight_decay * p
        v = average(v, g * g, rho)
        if u is None:
            u = xp.zeros_like(v)
        s = xp.sqrt(u + eps) / xp.sqrt(v + eps) * g
        return p - lr * s, (step or 0) + 1, v, average(u, s * s, rho)
    return one_by_one(params, grads, state, ("step", "square_avg", "acc_delta"), one)
