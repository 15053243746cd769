"""Optimizer updates: all parameters of a group in one call, which gets tables of pointers.

State that the previous call returned is written in place; parameters are new arrays.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import MutableMapping, Sequence
from typing import Any

import numpy as np

from cnnkit.backends import decline
from cnnkit_cpu import library
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed


class Group:
    """The parameters of a group that have gradients now, as the C functions want them.

    A call usually gets the arrays that the previous call returned, so the tables keep their pointers to
    parameters and state from call to call.
    """

    def __init__(self, params: Sequence[np.ndarray], indices: tuple[int, ...]):
        count = len(indices)
        self.indices, self.count = indices, count
        self.shapes = [params[i].shape for i in indices]
        self.sizes = (ctypes.c_long * count)(*(params[i].size for i in indices))
        self.params, self.grads, self.out = ((ctypes.c_void_p * count)() for _ in range(3))
        self.a, self.b, self.c = ((ctypes.c_void_p * count)() for _ in range(3))  # the state
        self.first = (ctypes.c_uint8 * count)()
        self.rates = (ctypes.c_float * (2 * count))()
        # what the previous call returned, the table of it, and the other table
        self.previous: tuple = ([None] * count, self.params, self.out)
        self.state: dict[str, list] = {}  # what the previous call returned
        self.entered = False  # whether `a`, `b` and `c` point to the arrays of `state`


def _group(params: Sequence[np.ndarray], grads: Sequence[np.ndarray | None],
           workspace: MutableMapping) -> Group | None:
    """The previous call's group, if the same parameters have gradients; ``None`` if not all are float32."""
    indices = tuple([i for i, g in enumerate(grads) if g is not None])
    group = workspace.get("cpu")
    if group is not None and group.indices == indices:
        for i, returned, shape in zip(indices, group.previous[0], group.shapes):
            p = params[i]
            if p is not returned and (p.dtype != FLOAT or p.shape != shape):
                break
        else:
            return group
    if any(params[i].dtype != FLOAT for i in indices):
        return None
    state = group.state if group is not None else {}
    group = workspace["cpu"] = Group(params, indices)
    group.state = state
    return group


def _fill(group: Group, params: Sequence[np.ndarray], grads: Sequence[Any]) -> tuple[list, list]:
    """Enter all pointers but the state's; give the new parameters, and arrays to keep until the call."""
    new, alive, results = list(params), [], []
    returned, group.params, group.out = group.previous
    for n, i in enumerate(group.indices):
        p, g = params[i], packed(grads[i])
        if p is not returned[n]:
            returned[n] = None
            p = packed(p)
            group.params[n] = address(p)
            alive.append(p)
        alive.append(g)
        new[i] = y = empty(group.shapes[n])
        results.append(y)
        group.grads[n], group.out[n] = address(g), address(y)
    group.previous = results, group.out, group.params  # at once: an interrupted call has changed nothing
    return new, alive


def _writable(group: Group, state: dict[str, list], names: tuple[str, ...], count: int) -> dict[str, list]:
    """The state as lists and arrays that may be written: what the previous call returned, or a copy."""
    if group.state is not state or tuple(state) != names:
        state = {name: [np.array(v, order="C") if isinstance(v, np.ndarray) else v
                        for v in state.get(name) or [None] * count] for name in names}
        group.entered, group.state = False, state
    return state


def sgd(params: Sequence[np.ndarray], grads: Sequence[np.ndarray | None], state: dict[str, list], *,
        lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool, maximize: bool,
        workspace: MutableMapping) -> tuple[list, dict]:
    """The update of the same name."""
    group = _group(params, grads, workspace)
    if group is None:
        return decline("not all parameters are float32")
    new, alive = _fill(group, params, grads)
    tables: tuple = (None, None)
    if momentum:
        state = _writable(group, state, ("momentum_buffer",), len(new))
        if not group.entered:
            buffers = state["momentum_buffer"]
            for n, i in enumerate(group.indices):
                b = buffers[i]
                group.first[n] = b is None
                if b is None:
                    buffers[i] = b = np.empty(group.shapes[n], FLOAT)
                group.a[n] = address(b)
            group.entered = not any(group.first)
        tables = (group.a, group.first)
    else:
        state = {}
    library.active.sgd(library.threads, group.count, group.sizes, group.params, group.grads, *tables,
                       group.out, lr, momentum, 1 - dampening, weight_decay, nesterov, maximize)
    del alive
    return new, state


def adam(params: Sequence[np.ndarray], grads: Sequence[np.ndarray | None], state: dict[str, list], *,
         lr: float, betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool,
         decoupled: bool, maximize: bool, workspace: MutableMapping) -> tuple[list, dict]:
    """The update of the same name; both bias corrections are in the rate and in eps."""
    group = _group(params, grads, workspace)
    if group is None:
        return decline("not all parameters are float32")
    names = ("step", "exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if amsgrad else ()))
    state = _writable(group, state, names, len(params))
    new, alive = _fill(group, params, grads)
    steps, rates, rate_step = state["step"], group.rates, 0  # `rate_step`: the step that `rate` is of
    beta1, beta2 = betas
    if not group.entered:
        for n, i in enumerate(group.indices):
            for table, name in zip((group.a, group.b, group.c), names[1:]):
                if state[name][i] is None:  # at first, and where AMSGrad is chosen later
                    state[name][i] = np.zeros(group.shapes[n], FLOAT)
                table[n] = address(state[name][i])
        group.entered = True
    for n, i in enumerate(group.indices):
        steps[i] = t = 1 if steps[i] is None else steps[i] + 1
        if t != rate_step:
            correction, rate_step = math.sqrt(1 - beta2 ** t), t
            rate = lr * correction / (1 - beta1 ** t), eps * correction
        rates[2 * n], rates[2 * n + 1] = rate
    shrink = 1 - lr * weight_decay if decoupled else 1.0
    library.active.adam(library.threads, group.count, group.sizes, group.params, group.grads, group.a,
                        group.b, group.c if amsgrad else None, group.out, rates, beta1, beta2, 1 - beta1,
                        1 - beta2, 0.0 if decoupled else weight_decay, shrink, maximize)
    del alive
    return new, state
