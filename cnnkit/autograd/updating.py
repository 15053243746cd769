"""Many Tensors at once, for optimizers: arrays of parameters and gradients, and new ones in their place."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from operator import setitem
from typing import Any

from cnnkit.autograd import sharing, tape
from cnnkit.autograd.value import Value

__all__ = ["arrays_of", "gradients_of", "rebind_all"]

Array = Any
NONE = type(None)


def arrays_of(parameters: Sequence[Value]) -> list[Array]:
    """The arrays of parameters, of which none is deferred."""
    return [parameter._value for parameter in parameters]


def gradients_of(parameters: Sequence[Value]) -> list[Array | None]:
    """The arrays of their gradients; ``None`` where a parameter has none."""
    return [None if parameter._grad is None else parameter._grad._value for parameter in parameters]


def rebind_all(updates: Iterable[tuple[Sequence[Value], Sequence[Array | None], Sequence[Array]]],
               states: list, new_states: dict[int, Any]) -> None:
    """`Value.rebind` of every parameter that has a gradient, and ``states[n] = new_states[n]``, at once.

    Python code of a signal handler runs between two instructions, and all this is one: an interrupt finds
    everything old or everything new.
    """
    parameters: list[Value] = []
    arrays: list[Array] = []
    for changed, gradients, new in updates:
        if NONE in map(type, gradients):
            having = [n for n, gradient in enumerate(gradients) if gradient is not None]
            changed, new = [changed[n] for n in having], [new[n] for n in having]
        parameters += changed
        arrays += new
    versions = [parameter._version for parameter in parameters]
    changed_now = [tape.now()] * len(parameters)
    deque(chain(map(setattr, parameters, repeat("_value"), arrays),
                map(setitem, versions, repeat(0), changed_now),
                map(setitem, repeat(states), new_states.keys(), new_states.values())), maxlen=0)
    for parameter in parameters:
        if parameter._alias is not None:
            sharing.follow(parameter)
