"""An update: its generic body, and the dispatch to kernels; what bodies and kernels share."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from cnnkit.backends import Backend, backend_of, namespace_of
from cnnkit.backends.kernel import UPDATE, declare_kernel
from cnnkit.ops.core import backend_of_inputs
from cnnkit.ops.dtypes import is_narrow, narrow, widen

__all__ = ["NUMBERS", "UPDATES", "WRITES", "Update", "average", "in_turn", "norm", "one_by_one",
           "state_dtype", "update"]

Array = Any
State = dict[str, list[Any]]

UPDATES: dict[str, Update] = {}
NUMBERS = (int, float)  # the types of a state's values that are no arrays
WRITES = "writes"  # the workspace's list of calls that its owner makes together with its own changes


class Update:
    """An update: its generic body, and the dispatch to kernels."""

    __name__: str
    name: str

    def __init__(self, generic: Callable):
        self.name = self.__name__ = generic.__name__
        self.__doc__ = generic.__doc__
        self.generic = generic

    def __call__(self, params: Sequence[Array], grads: Sequence[Array | None], state: State, *,
                 workspace: MutableMapping[Any, Any] | None = None, **hyper: Any) -> tuple[list[Any], State]:
        settings = {"workspace": {} if workspace is None else workspace, **hyper}
        same_type = len({*map(type, params)}) == 1
        backend = backend_of(params[0]) if same_type else backend_of_inputs(self.name, params)
        if backend.switches:
            with backend.on(params[0].device):
                return self._run(backend, params, grads, state, settings)
        return self._run(backend, params, grads, state, settings)

    def _run(self, backend: Backend, params: Sequence[Array], grads: Sequence[Array | None], state: State,
             settings: dict[str, Any]) -> tuple[list, State]:
        """Try the kernels in order, then the generic body."""
        result = backend.resolve().ask(self.name, (params, grads, state), settings)
        return self.body(params, grads, state, **settings) if result is NotImplemented else result

    def body(self, params: Sequence[Array], grads: Sequence[Array | None], state: State,
             **settings: Any) -> tuple[list[Any], State]:
        """What runs where no kernel does: the generic body, in float32 for parameters of 16 bits."""
        if not any(is_narrow(p.dtype) for p in params):
            return self.generic(params, grads, state, **settings)
        wide_grads = [None if g is None else widen(g) for g in grads]
        state = {name: [v if v is None or type(v) in NUMBERS else widen(v) for v in column]
                 for name, column in state.items()}
        new, state = self.generic([widen(p) for p in params], wide_grads, state, **settings)
        return [p if g is None else narrow(y, p.dtype) for p, g, y in zip(params, grads, new)], state

    def __repr__(self) -> str:
        return f"<update {self.name}>"


def in_turn(state: State, workspace: MutableMapping[Any, Any], names: Sequence[str],
            count: int) -> tuple[State, State]:
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


def update(generic: Callable[..., Any]) -> Update:
    """Declare an update: the decorated function is its generic implementation."""
    declared = Update(generic)
    if declared.name in UPDATES:
        raise ValueError(f"an update called {declared.name!r} exists already")
    declare_kernel(declared.name, UPDATE)
    UPDATES[declared.name] = declared
    return declared


def one_by_one(params: Sequence[Array], grads: Sequence[Array | None], state: State, names: Sequence[str],
               one: Callable[..., tuple[Any, ...]]) -> tuple[list[Any], State]:
    """The body of an update that treats parameters one by one.

    ``one(p, g, *values) -> (new p, *new values)`` is called for every parameter that has a gradient, with its
    values of the state `names`: ``None`` before its first step.
    """
    columns = [list(state.get(name) or [None] * len(params)) for name in names]
    new = list(params)
    for i, (p, g) in enumerate(zip(params, grads)):
        if g is None:
            continue
        stepped, *values = one(p, g, *(column[i] for column in columns))
        if not p.ndim:  # some libraries make scalars of 0-d arrays
            xp = namespace_of(p)
            stepped, *values = (v if type(v) in NUMBERS else xp.asarray(v) for v in (stepped, *values))
        new[i] = stepped
        for column, value in zip(columns, values, strict=True):
            column[i] = value
    return new, dict(zip(names, columns))


def average(old: Array | None, new: Array, kept: float) -> Array:
    """A running average, which begins at 0: this part of the `old` one is kept."""
    return (1 - kept) * new if old is None else kept * old + (1 - kept) * new


def norm(x: Array) -> Array:
    """The root of the sum of squares, an array without axes."""
    xp = namespace_of(x)
    return xp.sqrt(xp.asarray(xp.sum(x * x)))
