"""NumPy's optimizer updates: state in place, in blocks that stay in the cache; parameters are new arrays.

A state that this kernel returned is kept in the workspace, and only that one is written: others are copied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, MutableMapping, Sequence

import numpy as np

from cnnkit.backends import decline

# elements: a block of parameter, gradient, two averages and scratch in float32 takes 320 KiB of L2
BLOCK = 1 << 14


def _writable(state: dict[str, list], workspace: MutableMapping, names: Sequence[str],
              count: int) -> dict[str, list]:
    """The state as lists and arrays that may be written: as it is if the last call returned it, or a copy."""
    if workspace.get("state") is not state or state.keys() != set(names):
        state = {name: [v.copy() if isinstance(v, np.ndarray) else v
                        for v in state.get(name) or [None] * count] for name in names}
        workspace["state"] = state
    return state


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
    state = _writable(state, workspace, ("momentum_buffer",), len(new))
    buffers = state["momentum_buffer"]
    for i, (p, g) in enumerate(zip(params, grads)):
        if g is None:
            continue
        step = np.multiply(g, sign, out=np.empty_like(p)) if weight_decay or maximize or nesterov else g
        if weight_decay:
            step += weight_decay * p
        b = buffers[i]
        if b is None:
            buffers[i] = b = np.array(step)
        else:
            b *= momentum
            b += step if dampening == 0 else step * (1 - dampening)
        if nesterov:
            step += momentum * b
            step *= -lr
        else:
            step = np.multiply(b, -lr, out=step if step is not g else np.empty_like(p))
        step += p
        new[i] = step
    return new, state


def adam(params: Sequence[np.ndarray], grads: Sequence[np.ndarray | None], state: dict[str, list], *,
         lr: float, betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool,
         decoupled: bool, maximize: bool, workspace: MutableMapping) -> tuple[list, dict]:
    """The update of the same name: p - rate * m / (sqrt(v) + eps'), with bias correction in rate and eps'."""
    if any(p.itemsize == 2 or (not p.ndim and g is not None) for p, g in zip(params, grads)):
        return decline("a parameter has 2 bytes an element, or no axes")
    names = (("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")
             if amsgrad else ("step", "exp_avg", "exp_avg_sq"))
    state = _writable(state, workspace, names, len(params))
    beta1, beta2 = betas
    new = list(params)
    for i, (p, g) in enumerate(zip(params, grads)):
        if g is None:
            continue
        if state["step"][i] is None:
            state["step"][i] = 0
            for name in names[1:]:
                state[name][i] = np.zeros_like(p)
        state["step"][i] = t = state["step"][i] + 1
        m, v = state["exp_avg"][i], state["exp_avg_sq"][i]
        largest = state["max_exp_avg_sq"][i] if amsgrad else None
        correction = math.sqrt(1 - beta2 ** t)
        rate, floor = -lr * correction / (1 - beta1 ** t), eps * correction
        new[i] = out = np.empty_like(p)
        for block in _blocks(p) if p.size > BLOCK else (slice(None),):
            _adam_block(p[block], g[block], m[block], v[block], None if largest is None else largest[block],
                        out[block], beta1, beta2, rate, floor, lr, weight_decay, decoupled, maximize)
    return new, state


def _adam_block(p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, largest: np.ndarray | None,
                out: np.ndarray, beta1: float, beta2: float, rate: float, floor: float, lr: float,
                weight_decay: float, decoupled: bool, maximize: bool) -> None:
    """Write m, v, the largest v and the new parameters; `out` is scratch until the end."""
    if maximize:
        g = -g
    if weight_decay and not decoupled:
        g = g + weight_decay * p
    np.multiply(g, 1 - beta1, out=out)
    m *= beta1
    m += out
    np.multiply(g, g, out=out)
    out *= 1 - beta2
    v *= beta2
    v += out
    if largest is not None:
        v = np.maximum(largest, v, out=largest)
    np.sqrt(v, out=out)
    out += floor
    np.divide(m, out, out=out)
    out *= rate
    out += p * (1 - lr * weight_decay) if weight_decay and decoupled else p
