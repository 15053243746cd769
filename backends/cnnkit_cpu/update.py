"""Optimizer updates: all parameters of a group in one call, which gets tables of pointers.

State is written in place where the last call made it; parameters are new arrays.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import MutableMapping, Sequence
from typing import Any

import numpy as np

from cnnkit_cpu import library
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed


class Group:
    """The parameters of a group that have gradients now, as the C functions want them."""

    def __init__(self, params: Sequence[np.ndarray], at: Sequence[int]):
        count = len(at)
        self.at, self.count = at, count
        self.shapes = [params[i].shape for i in at]
        self.sizes = (ctypes.c_long * count)(*(params[i].size for i in at))
        self.params, self.grads, self.out, self.a, self.b, self.c = ((ctypes.c_void_p * count)() for _ in range(6))
        self.first = (ctypes.c_uint8 * count)()
        self.rates = (ctypes.c_float * (2 * count))()
        self.state: dict[str, list] = {}  # what the last call returned


def _group(params: Sequence[np.ndarray], grads: Sequence[np.ndarray | None], workspace: MutableMapping) -> Group | None:
    """The group of the last call, if the same parameters have gradients; ``None`` where not all are float32."""
    at = tuple([i for i, g in enumerate(grads) if g is not None])
    group = workspace.get("cpu")
    if group is None or group.at != at or any(params[i].shape != shape for i, shape in zip(at, group.shapes)):
        state = group.state if group is not None else {}
        group = Group(params, at)
        group.state = state
        workspace["cpu"] = group
    for i in at:
        if params[i].dtype != FLOAT:
            return None
    return group


def _fill(group: Group, params: Sequence[np.ndarray], grads: Sequence[Any]) -> tuple[list, list]:
    """Enter the pointers of parameters, gradients and results; the new parameters, and what must live until the call."""
    new, alive = list(params), []
    for n, i in enumerate(group.at):
        p, g = packed(params[i]), packed(grads[i])
        new[i] = out = empty(p.shape)
        alive += (p, g)
        group.params[n], group.grads[n], group.out[n] = address(p), address(g), address(out)
    return new, alive


def _own(group: Group, state: dict[str, list], names: Sequence[str], count: int) -> dict[str, list]:
    """The state as lists and arrays that may be written: as it is if the last call made it, else a copy."""
    if group.state is not state or state.keys() != set(names):
        state = {name: [np.array(v, order="C") if isinstance(v, np.ndarray) else v for v in state.get(name) or [None] * count]
                 for name in names}
        group.state = state
    return state


def sgd(params: Sequence[np.ndarray], grads: Sequence[np.ndarray | None], state: dict[str, list], *, lr: float, momentum: float,
        dampening: float, weight_decay: float, nesterov: bool, maximize: bool, workspace: MutableMapping) -> tuple[list, dict]:
    """The update of the same name."""
    group = _group(params, grads, workspace)
    if group is None:
        return NotImplemented  # type: ignore[return-value]
    new, alive = _fill(group, params, grads)
    tables: tuple = (None, None)
    if momentum:
        state = _own(group, state, ("momentum_buffer",), len(new))
        buffers = state["momentum_buffer"]
        for n, i in enumerate(group.at):
            b = buffers[i]
            group.first[n] = b is None
            if b is None:
                buffers[i] = b = np.empty(params[i].shape, FLOAT)
            group.a[n] = address(b)
        tables = (group.a, group.first)
    else:
        state = {}
    library.active.sgd(library.threads, group.count, group.sizes, group.params, group.grads, *tables, group.out, lr, momentum,
                       1 - dampening, weight_decay, nesterov, maximize)
    del alive
    return new, state


def adam(params: Sequence[np.ndarray], grads: Sequence[np.ndarray | None], state: dict[str, list], *, lr: float,
         betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool, decoupled: bool, maximize: bool,
         workspace: MutableMapping) -> tuple[list, dict]:
    """The update of the same name; both bias corrections are in the rate and in eps."""
    group = _group(params, grads, workspace)
    if group is None:
        return NotImplemented  # type: ignore[return-value]
    names = ("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq") if amsgrad else ("step", "exp_avg", "exp_avg_sq")
    state = _own(group, state, names, len(params))
    new, alive = _fill(group, params, grads)
    steps, rates = state["step"], group.rates
    beta1, beta2 = betas
    for n, i in enumerate(group.at):
        if steps[i] is None:
            steps[i] = 0
        for name in names[1:]:
            if state[name][i] is None:  # at first, and where AMSGrad is chosen later
                state[name][i] = np.zeros(params[i].shape, FLOAT)
        steps[i] = t = steps[i] + 1
        correction = math.sqrt(1 - beta2 ** t)
        rates[2 * n], rates[2 * n + 1] = lr * correction / (1 - beta1 ** t), eps * correction
        for table, name in zip((group.a, group.b, group.c), names[1:]):
            table[n] = address(state[name][i])
    shrink = 1 - lr * weight_decay if decoupled else 1.0
    library.active.adam(library.threads, group.count, group.sizes, group.params, group.grads, group.a, group.b,
                        group.c if amsgrad else None, group.out, rates, beta1, beta2, 1 - beta1, 1 - beta2,
                        0.0 if decoupled else weight_decay, shrink, maximize)
    del alive
    return new, state
