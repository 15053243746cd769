"""Optimizer updates: functions from parameters, gradients and state to new ones.

An update is called as ``update(params, grads, state, *, workspace, **hyper) -> (new_params, new_state)``.
`params` and `grads` are lists of arrays of one backend; where a gradient is ``None`` the parameter and its
state stay as they are. `state` maps names to lists beside `params`: arrays, Python ints, or ``None`` before
the first step. Hyper-parameters are Python numbers. The generic bodies here return new arrays and write none.

Parameters of float16 and bfloat16 have state in float32, on every backend: an average of squares of 1e-4 is 0
in float16, and so is an `eps` of 1e-8. All arithmetic is in float32, and the new parameter alone is rounded.
Generic bodies are given such parameters and gradients in float32; kernels see to it themselves, or decline.

Kernel tables may hold an update under its name, with the same signature; ``NotImplemented`` passes the call
on. `workspace` is a dict that the optimizer owns and keeps between calls: a kernel may keep scratch memory or
one flat buffer there. An interrupt may end a step anywhere, and the step is then taken again with the same
state; so a kernel leaves `state` as it is, and writes into the one before, which nobody needs any more
(`in_turn`). It may also write into parameters, if it is sure that it made them and that nobody else can hold
them; the optimizer bumps their versions in any case.
"""

from __future__ import annotations

import math
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from cnnkit.backends import Backend, namespace_of
from cnnkit.backends.kernel import UPDATE, declare_kernel
from cnnkit.ops.core import backend_of_inputs
from cnnkit.ops.precision import is_narrow, narrow, widen

__all__ = ["UPDATES", "Update", "adam", "in_turn", "sgd", "state_dtype", "update"]

Array = Any
State = dict[str, list]

UPDATES: dict[str, Update] = {}


class Update:
    """An update: its generic body, and the dispatch to kernels."""

    def __init__(self, generic: Callable):
        self.name = self.__name__ = generic.__name__
        self.__doc__ = generic.__doc__
        self.generic = generic

    def __call__(self, params: Sequence[Array], grads: Sequence[Array | None], state: State, *,
                 workspace: MutableMapping | None = None, **hyper: Any) -> tuple[list, State]:
        settings = {"workspace": {} if workspace is None else workspace, **hyper}
        backend = backend_of_inputs(self.name, params)
        if backend.switches:
            with backend.on(params[0].device):
                return self._run(backend, params, grads, state, settings)
        return self._run(backend, params, grads, state, settings)

    def _run(self, backend: Backend, params: Sequence[Array], grads: Sequence[Array | None], state: State,
             settings: dict[str, Any]) -> tuple[list, State]:
        """Try the kernels in order, then the generic body."""
        for kernel in backend.resolve().single.get(self.name, ()):
            result = kernel(params, grads, state, **settings)
            if result is not NotImplemented:
                return result
        return self._widened(params, grads, state, settings)

    def _widened(self, params: Sequence[Array], grads: Sequence[Array | None], state: State,
                 settings: dict[str, Any]) -> tuple[list, State]:
        """The generic body, in float32 for parameters of 16 bits."""
        if not any(is_narrow(p.dtype) for p in params):
            return self.generic(params, grads, state, **settings)
        wide_grads = [None if g is None else widen(g) for g in grads]
        state = {name: [v if v is None or isinstance(v, int) else widen(v) for v in column]
                 for name, column in state.items()}
        new, state = self.generic([widen(p) for p in params], wide_grads, state, **settings)
        return [p if g is None else narrow(y, p.dtype) for p, g, y in zip(params, grads, new)], state

    def __repr__(self) -> str:
        return f"<update {self.name}>"


def in_turn(state: State, workspace: MutableMapping, names: Sequence[str], count: int) -> tuple[State, State]:
    """The state as it is, and the one to write and return: two sets of arrays that take turns.

    Parameters
    ----------
    state : mapping
        What the update was called with.
    names : sequence of str
        The state that it has; each of `count` values, one for each parameter.

    Returns
    -------
    before, after : mapping
        Name -> list. What `before` holds is only read; ``None`` where nothing is known. `after` holds arrays
        that may be written, those of the last state but one, or ``None`` where there are none.

    >>> workspace = {}
    >>> before, after = in_turn({}, workspace, ["sum"], 1)
    >>> before, after
    ({'sum': [None]}, {'sum': [None]})
    """
    before = {name: state.get(name) or [None] * count for name in names}
    made = workspace.get("states", ())  # by this function: what others made is never written
    known = any(s is state for s in made)
    spare = next((s for s in made if s is not state and s.keys() == before.keys()), None)
    if spare is None or not known:
        after: State = {name: [None] * count for name in names}
    else:
        after = {name: [None if new is old else new for new, old in zip(spare[name], before[name])]
                 for name in names}
    workspace["states"] = (state, after) if known else (after,)
    return before, after


def state_dtype(dtype: Any) -> Any:
    """The dtype of an optimizer's state for parameters of `dtype`.

    >>> state_dtype("bfloat16"), state_dtype("float64")
    ('float32', 'float64')
    """
    return "float32" if is_narrow(dtype) else dtype


def update(generic: Callable) -> Update:
    """Declare an update: the decorated function is its generic implementation."""
    declared = Update(generic)
    if declared.name in UPDATES:
        raise ValueError(f"an update called {declared.name!r} exists already")
    declare_kernel(declared.name, UPDATE)
    UPDATES[declared.name] = declared
    return declared


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
def adam(params: Sequence[Array], grads: Sequence[Array | None], state: State, *, lr: float,
         betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool, decoupled: bool,
         maximize: bool, workspace: MutableMapping) -> tuple[list, State]:
    """Adam (Kingma, Ba 2015), AMSGrad (Reddi et al. 2018), AdamW if `decoupled` (Loshchilov, Hutter 2019).

    m = beta1 * m + (1 - beta1) * g;  v = beta2 * v + (1 - beta2) * g * g;
    p = p - lr / (1 - beta1 ** t) * m / (sqrt(v / (1 - beta2 ** t)) + eps),
    where t counts the parameter's steps.
    Weight decay is added to g, or with `decoupled` p is multiplied by 1 - lr * weight_decay first.
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
        if weight_decay and decoupled:
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
