"""Optimizer updates on a CUDA device: one launch for each parameter, state written in place.

One launch for all parameters would need a table of their addresses, copied to the device at every step. See
`cnnkit.ops.update`.
"""

from __future__ import annotations

import math
from collections.abc import MutableMapping, Sequence
from typing import Any

from cnnkit.backends import backend_of, decline, dtype_name
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.launcher import Kernel, declare, launch
from cnnkit_cupy.parameters import In, Out, Struct, contiguous
from cnnkit_cupy.types import TYPES, per_access

Array = Any
THREADS = 256
UNSERVED = (f"it serves parameters and gradients of one dtype of {', '.join(TYPES)}, and state of float32, "
            "all without gaps")

for _dtype, _t in TYPES.items():
    for _n in (1, per_access(_dtype)):
        _in, _out, _state, _maybe = In(_dtype), Out(_dtype), Out("float32"), Out("float32", optional=True)
        declare(Kernel("update", f"sgd<{_t}, {_n}>", (_in, _in, _maybe, _out, Struct("Sgd"))), ops=("sgd",))
        declare(Kernel("update", f"adam<{_t}, {_n}>",
                       (_in, _in, _state, _state, _maybe, _out, Struct("Adam"))), ops=("adam",))


def _updatable(params: Sequence[Array], grads: Sequence[Array | None], state: dict[str, list]) -> bool:
    """Whether kernels can update all parameters that have a gradient."""
    for i, (p, g) in enumerate(zip(params, grads)):
        if g is None:
            continue
        if dtype_name(p.dtype) not in TYPES or p.size >= 2**31 * THREADS or g.dtype != p.dtype:
            return False
        kept = [v for column in state.values() if (v := column[i]) is not None and not isinstance(v, int)]
        if not all(map(contiguous, (p, g, *kept))) or any(dtype_name(v.dtype) != "float32" for v in kept):
            return False
    return True


def _writable(state: dict[str, list], workspace: MutableMapping, names: Sequence[str],
              count: int) -> dict[str, list]:
    """The state as lists and arrays that may be written: as it is if the last call returned it, or a copy."""
    if workspace.get("state") is not state or state.keys() != set(names):
        def copied(value: Any) -> Any:
            return (value if value is None or isinstance(value, int)
                    else backend_of(value).namespace.asarray(value, copy=True))
        state = {name: [copied(v) for v in state.get(name) or [None] * count] for name in names}
        workspace["state"] = state
    return state


def _launch(update: str, param: Array, grad: Array, state: Sequence[Array | None],
            fields: dict[str, float]) -> Array:
    """The new parameter."""
    device, dtype = cuda_of(param), dtype_name(param.dtype)
    result, lanes = device.empty(tuple(param.shape), param.dtype, param), per_access(dtype)
    if param.size % lanes or any(device.address(a) % 16 for a in (param, grad, *state) if a is not None):
        lanes = 1
    launch(device, f"{update}<{TYPES[dtype]}, {lanes}>", (-(-param.size // (lanes * THREADS)), 1, 1), param,
           grad, *state, result, {**fields, "count": param.size})
    return result


def sgd(params: Sequence[Array], grads: Sequence[Array | None], state: dict[str, list], *, lr: float,
        momentum: float, dampening: float, weight_decay: float, nesterov: bool, maximize: bool,
        workspace: MutableMapping) -> Any:
    """The update of the same name."""
    if not _updatable(params, grads, state):
        return decline(UNSERVED)
    state = _writable(state, workspace, ("momentum_buffer",), len(params)) if momentum else {}
    new, buffers = list(params), state.get("momentum_buffer", [None] * len(params))
    for i, (p, g) in enumerate(zip(params, grads)):
        if g is None:
            continue
        first = buffers[i] is None
        if momentum and first:
            buffers[i] = cuda_of(p).empty(tuple(p.shape), "float32", p)
        new[i] = _launch("sgd", p, g, buffers[i:i + 1],
                         {"lr": lr, "momentum": momentum, "kept": 1 - dampening, "weight_decay": weight_decay,
                          "nesterov": int(nesterov), "maximize": int(maximize), "first": int(first)})
    return new, state


def adam(params: Sequence[Array], grads: Sequence[Array | None], state: dict[str, list], *, lr: float,
         betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool,
         decoupled_weight_decay: bool, maximize: bool, workspace: MutableMapping) -> Any:
    """The update of the same name."""
    if not _updatable(params, grads, state):
        return decline(UNSERVED)
    moments = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if amsgrad else ()))
    state = _writable(state, workspace, ("step", *moments), len(params))
    new, (beta1, beta2) = list(params), betas
    for i, (p, g) in enumerate(zip(params, grads)):
        if g is None:
            continue
        first = state["step"][i] is None
        state["step"][i] = t = 1 if first else state["step"][i] + 1
        for name in moments:
            if state[name][i] is None:  # not at the first step: AMSGrad was turned on later
                xp = backend_of(p).namespace
                state[name][i] = (cuda_of(p).empty(tuple(p.shape), "float32", p) if first
                                  else xp.zeros_like(p, dtype=xp.float32))
        moment_arrays = [*(state[name][i] for name in moments), None][:3]
        new[i] = _launch("adam", p, g, moment_arrays, {
            "beta1": beta1, "rest1": 1 - beta1, "beta2": beta2,
            "rest2": 1 - beta2, "rate": lr / (1 - beta1**t),
            "correction": 1 / math.sqrt(1 - beta2**t), "eps": eps,
            "decay": 0.0 if decoupled_weight_decay else weight_decay,
            "shrink": 1 - lr * weight_decay if decoupled_weight_decay else 1.0,
            "maximize": int(maximize), "first": int(first)})
    return new, state
