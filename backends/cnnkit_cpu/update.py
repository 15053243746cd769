"""Optimizer updates: all parameters of a group in one call, which gets tables of pointers.

Parameters are new arrays, and two sets of state take turns: an interrupted update has changed nothing.
"""

from __future__ import annotations

import ctypes
import math
from array import array
from collections.abc import MutableMapping, Sequence
from typing import Any

import numpy as np

from cnnkit.backends import decline
from cnnkit.backends.c_integers import array_of
from cnnkit.backends.native import UpdateNumbers
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
        self.sizes = array_of(ctypes.c_long, "sizes of parameters", *[params[i].size for i in indices])
        self.params, self.grads, self.out = ((ctypes.c_void_p * count)() for _ in range(3))
        self.sides: tuple[Side, ...] = ()  # the two sets of state, as far as they are known
        self.first = (ctypes.c_uint8 * count)()
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


class Side:
    """One of the two sets of state, with the table of its addresses under each name."""

    def __init__(self, group: Group, state: dict[str, list], names: tuple[str, ...]):
        self.state, self.names = state, names
        self.tables = [(ctypes.c_void_p * group.count)(*[address(state[name][i]) for i in group.indices])
                       for name in names]


def _sides(group: Group, state: dict[str, list], names: tuple[str, ...], count: int,
           workspace: MutableMapping) -> tuple[Side, Side]:
    """The state to read, with zeros where there is none, and the one to write and return."""
    if len(group.sides) == 2:
        old, new = group.sides
        if new.state is state:
            old, new = new, old
        if old.state is state and old.names == names:
            workspace["states"] = state, new.state
            return old, new
    before, after = in_turn(state, workspace, names, count)
    ours = len(workspace["states"]) == 2
    for name in names:
        read, written = list(before[name]), after[name]
        for i, value in enumerate(read):
            if i not in group.members:
                written[i] = value
                continue
            shape = group.shapes[group.indices.index(i)]
            now = np.zeros(shape, FLOAT) if value is None else packed(np.asarray(value, FLOAT))
            ours = ours and now is value
            read[i] = now
            if written[i] is None or written[i].shape != shape or packed(written[i]) is not written[i]:
                written[i] = empty(shape)
        before[name] = read
    old, new = Side(group, before, names), Side(group, after, names)
    if ours:
        old.state = state
    group.sides = (old, new) if ours else (new,)
    return old, new


def sgd(params: Sequence[np.ndarray], grads: Sequence[np.ndarray | None], state: dict[str, list], *,
        lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool, maximize: bool,
        workspace: MutableMapping) -> tuple[list, dict]:
    """The update of the same name."""
    group = _group(params, grads, workspace)
    if group is None:
        return decline("not all parameters are float32")
    new, alive = _fill(group, params, grads)
    tables: tuple = (None, None, None)
    if momentum:
        name, first = "momentum_buffer", group.first
        old, side = _sides(group, state, (name,), len(new), workspace)
        if old.state is not state or any(first):
            buffers = state.get(name) or [None] * len(new)
            first[:] = [buffers[i] is None for i in group.indices]
        tables, state = (*old.tables, first, *side.tables), side.state
    else:
        state = {}
    library.active.sgd(library.threads, group.count, group.sizes, group.params, group.grads, *tables,
                       group.out, lr, momentum, 1 - dampening, weight_decay, nesterov, maximize)
    del alive
    return new, state


def adam(params: Sequence[np.ndarray], grads: Sequence[np.ndarray | None], state: dict[str, list], *,
         lr: float, betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool,
         decoupled_weight_decay: bool, maximize: bool, workspace: MutableMapping) -> tuple[list, dict]:
    """The update of the same name; both bias corrections are in the rate and in eps."""
    group = _group(params, grads, workspace)
    if group is None:
        return decline("not all parameters are float32")
    names = ("step", "exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if amsgrad else ()))
    old, side = _sides(group, state, names[1:], len(params), workspace)
    new, alive = _fill(group, params, grads)
    steps = _next_steps(group, state, side)
    numbers = _adam_numbers(steps, lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay, maximize)
    largest = () if amsgrad else (None,)
    library.active.adam(library.threads, group.count, group.sizes, group.params, group.grads, *old.tables,
                        *largest, *side.tables, *largest, group.out, *numbers.values())
    del alive
    return new, side.state


def rmsprop(params: Sequence[np.ndarray], grads: Sequence[np.ndarray | None], state: dict[str, list], *,
            lr: float, alpha: float, eps: float, weight_decay: float, momentum: float, centered: bool,
            maximize: bool, workspace: MutableMapping) -> tuple[list, dict]:
    """The update of the same name."""
    group = _group(params, grads, workspace)
    if group is None:
        return decline("not all parameters are float32")
    names = ("step", "square_avg", *(("momentum_buffer",) if momentum > 0 else ()),
             *(("grad_avg",) if centered else ()))
    old, side = _sides(group, state, names[1:], len(params), workspace)
    new, alive = _fill(group, params, grads)
    _next_steps(group, state, side)
    tables = [(sides.tables[0], sides.tables[1] if momentum > 0 else None,
               sides.tables[-1] if centered else None) for sides in (old, side)]
    library.active.rmsprop(library.threads, group.count, group.sizes, group.params, group.grads, *tables[0],
                           *tables[1], group.out, lr, alpha, 1 - alpha, eps, momentum, weight_decay, maximize)
    del alive
    return new, side.state


def _next_steps(group: Group, state: dict[str, list], side: Side) -> list[int]:
    """Count a step of the group's parameters, and give their numbers."""
    side.state["step"] = steps = list(state.get("step") or [None] * len(side.state[side.names[0]]))
    for i in group.indices:
        steps[i] = (steps[i] or 0) + 1
    return [steps[i] for i in group.indices]


# -- what a replay asks (`cnnkit.backends.native.UpdateNumbers`) ---------------------------------------------

def _sgd_numbers(steps: None, lr: float, momentum: float, dampening: float, weight_decay: float,
                 nesterov: bool, maximize: bool) -> dict[str, Any]:
    return {"lr": lr, "momentum": momentum, "take": 1 - dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize}


def _adam_numbers(steps: Sequence[int], lr: float, betas: tuple[float, float], eps: float,
                  weight_decay: float, amsgrad: bool, decoupled_weight_decay: bool,
                  maximize: bool) -> dict[str, Any]:
    beta1, beta2 = betas
    known: dict[int, tuple[float, float]] = {}  # the step's rate and epsilon, by its number
    for t in steps:
        if t not in known:
            correction = math.sqrt(1 - beta2 ** t)
            known[t] = lr * correction / (1 - beta1 ** t), eps * correction
    rates = array("f", [number for t in steps for number in known[t]]).tobytes()
    return {"rates": rates, "beta1": beta1, "beta2": beta2, "left1": 1 - beta1, "left2": 1 - beta2,
            "weight_decay": 0.0 if decoupled_weight_decay else weight_decay,
            "shrink": 1 - lr * weight_decay if decoupled_weight_decay else 1.0, "maximize": maximize}


def _rmsprop_numbers(steps: Sequence[int], lr: float, alpha: float, eps: float, weight_decay: float,
                     momentum: float, centered: bool, maximize: bool) -> dict[str, Any]:
    return {"lr": lr, "alpha": alpha, "left": 1 - alpha, "eps": eps, "momentum": momentum,
            "weight_decay": weight_decay, "maximize": maximize}


NUMBERS = {
    "adam": UpdateNumbers("adam", lambda amsgrad, **others: amsgrad, _adam_numbers),
    "rmsprop": UpdateNumbers("rmsprop", lambda momentum, centered, **others: (momentum > 0, centered),
                             _rmsprop_numbers),
    "sgd": UpdateNumbers("sgd", lambda momentum, **others: bool(momentum), _sgd_numbers),
}
