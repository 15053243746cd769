"""Updates that go along the gradient, or its sign: sgd, asgd, lars, lion, rprop."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.update.core import State, norm, one_by_one, update

__all__ = ["asgd", "lars", "lion", "rprop", "sgd"]

Array = Any


@update
def sgd(params: Sequence[Array], grads: Sequence[Array | None], state: State, *,
        lr: float, momentum: float, dampening: float,
        weight_decay: float, nesterov: bool, maximize: bool, workspace: MutableMapping) -> tuple[list, State]:
    """Gradient descent with momentum (Sutskever et al. 2013), as in PyTorch: the buffer excludes the rate.

    g = grad + weight_decay * p;  b = momentum * b + (1 - dampening) * g, at first b = g;
    p = p - lr * b, or with `nesterov` p - lr * (g + momentum * b).
    State: ``momentum_buffer``, where momentum is not 0.
    """
    new, buffers = list(params), list(state.get("momentum_buffer") or [None] * len(params))
    for i, (p, g) in enumerate(zip(params, grads)):
        if g is None:
            continue
        if maximize:
            g = -g
        if weight_decay:
            g = g + weight_decay * p
        if momentum:
            b = buffers[i]
            buffers[i] = b = (namespace_of(g).asarray(g, copy=True)
                              if b is None else momentum * b + (1 - dampening) * g)
            g = g + momentum * b if nesterov else b
        new[i] = p - lr * g
    return new, {"momentum_buffer": buffers} if momentum else {}


@update
def asgd(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float, lambd: float,
         alpha: float, t0: float, weight_decay: float, maximize: bool,
         workspace: MutableMapping) -> tuple[list, State]:
    """Averaged gradient descent (Polyak, Juditsky 1992), as in PyTorch.

    p = (1 - lambd * eta) * p - eta * g;  ax = ax + mu * (p - ax), the average;
    then eta = lr / (1 + lambd * lr * t) ** alpha, and mu = 1 / max(1, t - t0), for the next step.
    State: ``step`` (t), ``eta`` and ``mu``, Python floats, and ``ax``.
    """
    def one(p: Array, g: Array, step: int | None, eta: float | None, mu: float | None, ax: Array) -> tuple:
        t, eta, mu = (step or 0) + 1, lr if eta is None else eta, 1.0 if mu is None else mu
        if maximize:
            g = -g
        if weight_decay:
            g = g + weight_decay * p
        p = (1 - lambd * eta) * p - eta * g
        ax = namespace_of(p).asarray(p, copy=True) if ax is None or mu == 1 else ax + mu * (p - ax)
        return p, t, lr / (1 + lambd * lr * t) ** alpha, 1 / max(1, t - t0), ax
    return one_by_one(params, grads, state, ("step", "eta", "mu", "ax"), one)


@update
def lars(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float, momentum: float,
         dampening: float, weight_decay: float, nesterov: bool, trust_coefficient: float, eps: float,
         maximize: bool, workspace: MutableMapping) -> tuple[list, State]:
    """LARS (You, Gitman, Ginsburg 2017): `sgd` along the gradient, scaled for each parameter.

    g = ratio * (grad + weight_decay * p), where ratio =
    trust_coefficient * |p| / (|grad| + weight_decay * |p| + eps), and 1 where a norm is 0. Then as `sgd`.
    State: ``momentum_buffer``, where momentum is not 0.
    """
    def one(p: Array, g: Array, b: Array = None) -> tuple:
        size, slope = norm(p), norm(g)
        xp = namespace_of(p)
        ratio = trust_coefficient * size / (slope + weight_decay * size + eps)
        ratio = xp.where((size > 0) & (slope > 0), ratio, xp.ones_like(ratio))
        g = ratio * ((-g if maximize else g) + weight_decay * p)
        if not momentum:
            return (p - lr * g,)
        b = xp.asarray(g, copy=True) if b is None else momentum * b + (1 - dampening) * g
        return p - lr * (g + momentum * b if nesterov else b), b
    return one_by_one(params, grads, state, ("momentum_buffer",) if momentum else (), one)


@update
def lion(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float,
         betas: tuple[float, float], weight_decay: float, maximize: bool,
         workspace: MutableMapping) -> tuple[list, State]:
    """Lion (Chen et al. 2023): the sign of a mean of the gradient and its running average.

    p = (1 - lr * weight_decay) * p - lr * sign(beta1 * m + (1 - beta1) * g);
    m = beta2 * m + (1 - beta2) * g. State: ``exp_avg`` (m).
    """
    beta1, beta2 = betas

    def one(p: Array, g: Array, m: Array) -> tuple:
        if maximize:
            g = -g
        direction = g if m is None else beta1 * m + (1 - beta1) * g
        m = (1 - beta2) * g if m is None else beta2 * m + (1 - beta2) * g
        return p * (1 - lr * weight_decay) - lr * namespace_of(p).sign(direction), m
    return one_by_one(params, grads, state, ("exp_avg",), one)


@update
def rprop(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float,
          etas: tuple[float, float], step_sizes: tuple[float, float], maximize: bool,
          workspace: MutableMapping) -> tuple[list, State]:
    """Resilient propagation (Riedmiller, Braun 1993): each number has a step size, at first `lr`.

    The size is multiplied by the larger of `etas` where the gradient has kept its sign, and by the smaller
    where that has changed, within `step_sizes`. p = p - size * sign(g), where g counts as 0 after a change.
    State: ``step``, ``prev`` (g), ``step_size``.
    """
    slower, faster = etas

    def one(p: Array, g: Array, step: int | None, prev: Array, size: Array) -> tuple:
        xp = namespace_of(p)
        if maximize:
            g = -g
        if prev is None:  # as if the gradient before had been 0
            size, g = xp.full_like(g, lr), xp.asarray(g, copy=True)
        else:
            kept, turned = g * prev > 0, g * prev < 0
            size = xp.where(kept, size * faster, xp.where(turned, size * slower, size))
            g = xp.where(turned, xp.zeros_like(g), g)
        size = xp.clip(size, *step_sizes)
        return p - size * xp.sign(g), (step or 0) + 1, g, size
    return one_by_one(params, grads, state, ("step", "prev", "step_size"), one)
