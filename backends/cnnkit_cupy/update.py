"""Optimizer updates on a CUDA device: a launch writes up to 64 parameters and their state in place.

The optimizer makes the launches together with its own changes (`cnnkit.ops.update.WRITES`), so a step is made
whole or not at all. Parameters that somebody else holds, and those that the update did not make, stay as they
are, and new ones are made. Tables of addresses are passed with the launch. See `cnnkit.ops.update`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, MutableMapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any
from weakref import ref

from cnnkit.backends import backend_of, decline, dtype_name
from cnnkit.ops.update import WRITES
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.launcher import Kernel, SteadyLaunch, declare
from cnnkit_cupy.parameters import In, InTable, Numbers, OutTable, Struct, contiguous, pack
from cnnkit_cupy.recording import current
from cnnkit_cupy.sources import structure
from cnnkit_cupy.types import TYPES, per_access

Array = Any
THREADS, MOST = 256, 64  # MOST: as in update.cu
HOLDERS = 4  # of a parameter's array in a step: the parameter, two lists of all, and the tuple in `Part.run`
UNSERVED = (f"it serves parameters and gradients of one dtype of {', '.join(TYPES)}, and state of float32, "
            "all without gaps")

for _dtype, _t in TYPES.items():
    _in, _out = InTable(_dtype, count=MOST), OutTable(_dtype, count=MOST)
    _state, _maybe = OutTable("float32", count=MOST), OutTable("float32", optional=True, count=MOST)
    _sizes = Numbers("int64", MOST), Numbers("int32", MOST + 1)
    _more = (*_sizes, In("uint32", optional=True))
    declare(Kernel("update", f"sgd<{_t}>", (_in, _in, _maybe, _out, *_more, Struct("Sgd"))), ops=("sgd",))
    declare(Kernel("update", f"adam<{_t}>", (_in, _in, _state, _state, _maybe, _out, *_more,
                                             Struct("Adam"))), ops=("adam",))


class Part:
    """Parameters that one launch updates."""

    def __init__(self, device: Any, update: str, params: Sequence[Array], indices: list[int]):
        self.device, self.indices, self.update = device, indices, update
        self.made = list[Any]()  # references to what the latest step has made
        self.shapes, self.dtype = [tuple(params[i].shape) for i in indices], params[indices[0]].dtype
        name, missing = dtype_name(self.dtype), MOST - len(indices)
        counts = [params[i].size for i in indices]
        blocks = [-(-count // (per_access(name) * THREADS)) for count in counts]
        firsts = [0, *accumulate(blocks)]
        self.started = partial(SteadyLaunch, device, f"{update}<{TYPES[name]}>", (firsts[-1], 1, 1),
                               counts + [0] * missing, firsts + firsts[-1:] * missing)
        self.launch: Any = None

    def run(self, params: Sequence[Array], grads: Sequence[Array | None],
            states: Sequence[Sequence[Array | None] | None], fields: dict[str, float],
            writes: list[Callable] | None) -> list[Array]:
        """The new parameters; in a recorded step the old ones, with other values.

        The launch is added to `writes` where there is such a list, and is made at once where there is none.
        """
        indices, recording = self.indices, current()
        given: list[tuple] = [
            (None,) * len(indices) if column is None else tuple([column[i] for i in indices])
            for column in (params, grads, *states)]
        recorded = None
        if recording is None:
            if writes is not None and self._made(given[0]) and not self.device.is_held(given[0], HOLDERS):
                results = self.device.renewed(given[0])  # of which nobody knows the values before
            else:
                results = self.device.empties(self.shapes, self.dtype, params[indices[0]])
            self.made = [*map(ref, results)]
        else:
            results = list(given[0])
            packed = pack(self.update, structure("update", self.update.capitalize()), fields)
            recorded = recording.update(packed, [array for arrays in given for array in arrays])
            if recorded is None:
                return results
        if self.launch is None:
            self.launch = self.started(fields)
        else:
            self.launch.revalue(fields)
        arrays = *given, tuple(results), recorded
        if writes is None or recording is not None:
            self.launch(*arrays)
        else:
            writes += self.launch.prepared(*arrays)
        return results

    def _made(self, params: Sequence[Array]) -> bool:
        """Whether these are what the latest step has made."""
        return bool(self.made) and all(made() is array for made, array in zip(self.made, params))


def _parts(update: str, params: Sequence[Array], grads: Sequence[Array | None], state: dict[str, list],
           kinds: Sequence[Hashable], workspace: MutableMapping) -> list[Part] | None:
    """The launches' parameters: of one dtype, device and kind each. ``None`` where they are not served."""
    device = cuda_of(params[0])
    key = update, tuple(kinds), tuple(map(device.layout, params)), tuple(map(device.layout, grads))
    known, parts = workspace.get("parts", (None, None))
    if key == known:
        return parts
    groups: dict[tuple, list[int]] = {}
    for i, (p, g) in enumerate(zip(params, grads)):
        if g is None:
            continue
        if dtype_name(p.dtype) not in TYPES or p.size >= 2**31 * THREADS or g.dtype != p.dtype:
            return None
        kept = [v for column in state.values() if (v := column[i]) is not None and not isinstance(v, int)]
        if not all(map(contiguous, (p, g, *kept))) or any(dtype_name(v.dtype) != "float32" for v in kept):
            return None
        groups.setdefault((dtype_name(p.dtype), device.layout(p)[-1], kinds[i]), []).append(i)
    parts = [Part(device, update, params, indices[n:n + MOST])
             for indices in groups.values() for n in range(0, len(indices), MOST)]
    workspace["parts"] = key, parts
    return parts


def _writable(state: dict[str, list], workspace: MutableMapping, names: Sequence[str],
              count: int) -> dict[str, list]:
    """New lists of arrays that may be written: copies, or the state's own if the last call made them.

    Its own are for launches that are made once the step is: else an interrupt may end it, and it is taken
    again with the state as it was.
    """
    mine = workspace.get(WRITES) is not None and any(state is known for known in workspace.get("states", ()))
    if not mine or state.keys() != set(names):
        def copied(value: Any) -> Any:
            return (value if value is None or isinstance(value, int)
                    else backend_of(value).namespace.asarray(value, copy=True))
        state = {name: [copied(v) for v in state.get(name) or [None] * count] for name in names}
    new = {name: list(state[name]) for name in names}
    workspace["states"] = state, new
    return new


def sgd(params: Sequence[Array], grads: Sequence[Array | None], state: dict[str, list], *, lr: float,
        momentum: float, dampening: float, weight_decay: float, nesterov: bool, maximize: bool,
        workspace: MutableMapping) -> Any:
    """The update of the same name."""
    given = state.get("momentum_buffer") or [None] * len(params)
    firsts = [buffer is None for buffer in given]
    parts = _parts("sgd", params, grads, state, firsts if momentum else [False] * len(params), workspace)
    if parts is None:
        return decline(UNSERVED)
    state = _writable(state, workspace, ("momentum_buffer",), len(params)) if momentum else {}
    new, buffers = list(params), state.get("momentum_buffer")
    for part in parts:
        first = momentum and firsts[part.indices[0]]
        if buffers is not None and first:
            _make(part, params, buffers)
        results = part.run(params, grads, (buffers,), {
            "lr": lr, "momentum": momentum, "kept": 1 - dampening, "weight_decay": weight_decay,
            "nesterov": int(nesterov), "maximize": int(maximize), "first": int(first)},
            workspace.get(WRITES))
        for i, result in zip(part.indices, results):
            new[i] = result
    return new, state


def _make(part: Part, params: Sequence[Array], column: list) -> None:
    """State for the part's parameters, without values."""
    made = part.device.empties(part.shapes, "float32", params[part.indices[0]])
    for i, array in zip(part.indices, made):
        column[i] = array


def adam(params: Sequence[Array], grads: Sequence[Array | None], state: dict[str, list], *, lr: float,
         betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool,
         decoupled_weight_decay: bool, maximize: bool, workspace: MutableMapping) -> Any:
    """The update of the same name."""
    moments = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if amsgrad else ()))
    given = state.get("step") or [None] * len(params)
    least = min((step for step in given if step is not None), default=0)
    kinds = [None if step is None else step - least for step in given]
    parts = _parts("adam", params, grads, state, kinds, workspace)
    if parts is None:
        return decline(UNSERVED)
    state = _writable(state, workspace, ("step", *moments), len(params))
    new, (beta1, beta2), steps = list(params), betas, state["step"]
    for part in parts:
        first = steps[part.indices[0]] is None
        t = 1 if first else steps[part.indices[0]] + 1
        for name in moments:
            if first:
                _make(part, params, state[name])
            elif state[name][part.indices[0]] is None:  # AMSGrad was turned on later
                for i in part.indices:
                    xp = backend_of(params[i]).namespace
                    state[name][i] = xp.zeros_like(params[i], dtype=xp.float32)
        results = part.run(params, grads, (*(state[name] for name in moments), None)[:3], {
            "beta1": beta1, "rest1": 1 - beta1, "beta2": beta2,
            "rest2": 1 - beta2, "rate": lr / (1 - beta1**t),
            "correction": 1 / math.sqrt(1 - beta2**t), "eps": eps,
            "decay": 0.0 if decoupled_weight_decay else weight_decay,
            "shrink": 1 - lr * weight_decay if decoupled_weight_decay else 1.0,
            "maximize": int(maximize), "first": int(first)}, workspace.get(WRITES))
        for i, result in zip(part.indices, results):
            new[i], steps[i] = result, t
    return new, state
