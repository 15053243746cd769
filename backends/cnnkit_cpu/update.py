"""Optimizer updates: all parameters of a group in one call, which gets tables of pointers.

Parameters are new arrays. The C functions change state in place, so they get a copy, in the arrays of the
last state but one: an interrupted update has changed nothing.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import MutableMapping, Sequence
from typing import Any

import numpy as np

from cnnkit.backends import decline
from cnnkit.ops.update import in_turn
from cnnkit_cpu import library
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed


class Group:
    """The parameters of a group that have gradients now, as the C functions want them.

    A call usually gets the parameters that the previous call returned, so the table keeps its pointers to
    them from call to call.
    """

    def __init__(self, params: Sequence[np.ndarray], indices: tuple[int, ...]):
        count = len(indices)
        self.indices, self.members, self.count = indices, frozenset(indices), count
        self.shapes = [params[i].shape for i in indices]
        self.sizes = (ctypes.c_long * count)(*(params[i].size for i in indices))
        self.params, self.grads, self.out = ((ctypes.c_void_p * count)() for _ in range(3))
        self.a, self.b, self.c = ((ctypes.c_void_p * count)() for _ in range(3))  # the state
        self.first = (ctypes.c_uint8 * count)()
        self.rates = (ctypes.c_float * (2 * count))()
        # what the previous call returned, the table of it, and the other table
        self.previous: tuple = ([None] * count, self.params, self.out)


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
    group = workspace["cpu"] = Group(params, indices)
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


def _enter(group: Group, table: Any, before: list, after: list) -> None:
    """Copy one kind of state, zeros at first, to the arrays that the call will change, and enter these."""
    after[:] = [new if n in group.members else old for n, (old, new) in enumerate(zip(before, after))]
    for n, i in enumerate(group.indices):
        new = after[i]
        if new is None or new.shape != group.shapes[n]:
            after[i] = new = np.empty(group.shapes[n], FLOAT)
        new[...] = 0 if before[i] is None else before[i]
        table[n] = address(new)


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
        before, state = in_turn(state, workspace, ("momentum_buffer",), len(new))
        _enter(group, group.a, before["momentum_buffer"], state["momentum_buffer"])
        for n, i in enumerate(group.indices):
            group.first[n] = before["momentum_buffer"][i] is None
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
    before, state = in_turn(state, workspace, names, len(params))
    new, alive = _fill(group, params, grads)
    for table, name in zip((group.a, group.b, group.c), names[1:]):
        _enter(group, table, before[name], state[name])
    state["step"] = steps = list(before["step"])
    rates, rate_step = group.rates, 0  # `rate_step`: the step that `rate` is of
    beta1, beta2 = betas
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
