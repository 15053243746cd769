"""NumPy's optimizer updates, in blocks that stay in the cache.

Parameters are new arrays, and two sets of state take turns (`cnnkit.ops.update.in_turn`), so that an
interrupted update has changed nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, MutableMapping, Sequence

import numpy as np

from cnnkit.backends import decline
from cnnkit.ops.update import in_turn

# elements: a block of parameter, gradient, two averages and scratch in float32 takes 320 KiB of L2
BLOCK = 1 << 14


def _like(p: np.ndarray, spare: np.ndarray | None) -> np.ndarray:
    """An array of the parameter's shape to write state to: the spare one, if it fits."""
    fits = spare is not None and spare.shape == p.shape and spare.dtype == p.dtype
    return spare if fits else np.empty_like(p)  # type: ignore[return-value]


def _blocks(p: np.ndarray) -> Iterator[slice]:
    """Slices of the first axis with about `BLOCK` elements each."""
    rows = max(1, BLOCK * len(p) // p.size)
    return (slice(i, i + rows) for i in range(0, len(p), rows))


def sgd(params: Sequence[np.ndarray], grads: Sequence[np.ndarray | None], state: dict[str, list], *,
        lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool, maximize: bool,
        workspace: MutableMapping) -> tuple[list, dict]:
    """The update of the same name."""
    if any(p.itemsize == 2 for p in params):
        return decline("a parameter has 2 bytes an element")
    new = list(params)
    sign = -1.0 if maximize else 1.0
    if not momentum:
        for i, (p, g) in enumerate(zip(params, grads)):
            if g is not None:
                new[i] = step = np.multiply(g, -lr * sign, out=np.empty_like(p))
                if weight_decay:
                    step -= (lr * weight_decay) * p
                step += p
        return new, {}
    before, after = in_turn(state, workspace, ("momentum_buffer",), len(new))
    buffers, new_buffers = before["momentum_buffer"], after["momentum_buffer"]
    for i, (p, g) in enumerate(zip(params, grads)):
        if g is None:
            new_buffers[i] = buffers[i]
            continue
        step = np.multiply(g, sign, out=np.empty_like(p)) if weight_decay or maximize or nesterov else g
        if weight_decay:
            step += weight_decay * p
        new_buffers[i] = b = _like(p, new_buffers[i])
        if buffers[i] is None:
            b[...] = step
        else:
            np.multiply(buffers[i], momentum, out=b)
            b += step if dampening == 0 else step * (1 - dampening)
        if nesterov:
            step += momentum * b
            step *= -lr
        else:
            step = np.multiply(b, -lr, out=step if step is not g else np.empty_like(p))
        step += p
        new[i] = step
    return new, after


def adam(params: Sequence[np.ndarray], grads: Sequence[np.ndarray | None], state: dict[str, list], *,
         lr: float, betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool,
         decoupled_weight_decay: bool, maximize: bool, workspace: MutableMapping) -> tuple[list, dict]:
    """The update of the same name: p - rate * m / (sqrt(v) + eps'), with bias correction in rate and eps'."""
    if any(p.itemsize == 2 or (not p.ndim and g is not None) for p, g in zip(params, grads)):
        return decline("a parameter has 2 bytes an element, or no axes")
    names = (("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")
             if amsgrad else ("step", "exp_avg", "exp_avg_sq"))
    before, after = in_turn(state, workspace, names, len(params))
    beta1, beta2 = betas
    new = list(params)
    for i, (p, g) in enumerate(zip(params, grads)):
        if g is None:
            for name in names:
                after[name][i] = before[name][i]
            continue
        after["step"][i] = t = (before["step"][i] or 0) + 1
        old = [np.zeros_like(p) if before[name][i] is None else before[name][i] for name in names[1:]]
        moments = [_like(p, after[name][i]) for name in names[1:]]
        for name, moment in zip(names[1:], moments):
            after[name][i] = moment
        correction = math.sqrt(1 - beta2 ** t)
        rate, floor = -lr * correction / (1 - beta1 ** t), eps * correction
        new[i] = out = np.empty_like(p)
        for block in _blocks(p) if p.size > BLOCK else (slice(None),):
            _adam_block(p[block], g[block], [m[block] for m in old], [m[block] for m in moments],
                        out[block], beta1, beta2, rate, floor, lr, weight_decay,
                        decoupled_weight_decay, maximize)
    return new, after


def _adam_block(p: np.ndarray, g: np.ndarray, old: list[np.ndarray], new: list[np.ndarray],
                out: np.ndarray, beta1: float, beta2: float, rate: float, floor: float, lr: float,
                weight_decay: float, decoupled_weight_decay: bool, maximize: bool) -> None:
    """Write the new m, v and perhaps largest v, and the parameters; `out` is scratch until the end."""
    m, v = new[:2]
    if maximize:
        g = -g
    if weight_decay and not decoupled_weight_decay:
        g = g + weight_decay * p
    np.multiply(g, 1 - beta1, out=out)
    np.multiply(old[0], beta1, out=m)
    m += out
    np.multiply(g, g, out=out)
    out *= 1 - beta2
    np.multiply(old[1], beta2, out=v)
    v += out
    if len(new) > 2:
        v = np.maximum(old[2], v, out=new[2])
    np.sqrt(v, out=out)
    out += floor
    np.divide(m, out, out=out)
    out *= rate
    out += p * (1 - lr * weight_decay) if weight_decay and decoupled_weight_decay else p
