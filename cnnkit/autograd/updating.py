"""Many Tensors at once, for optimizers: arrays of parameters and gradients, and new ones in their place."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat, starmap
from operator import call, setitem
from typing import Any

from cnnkit.autograd import sharing, tape
from cnnkit.autograd.value import Value

__all__ = ["arrays_of", "gradients_of", "rebind", "rebind_all"]

Array = Any
NONE = type(None)


def arrays_of(parameters: Sequence[Value]) -> list[Array]:
    """The arrays of parameters, of which none is deferred."""
    return [parameter._value for parameter in parameters]


def gradients_of(parameters: Sequence[Value]) -> list[Array | None]:
    """The arrays of their gradients; ``None`` where a parameter has none."""
    return [grad if (grad := parameter._grad) is None or type(grad) is type(parameter._value) else grad._value
            for parameter in parameters]


def rebind_all(updates: Sequence[tuple[Sequence[Value], Sequence[Array]]],
               others: Sequence[tuple[Any, Any, Any]], writes: Sequence[Callable[[], Any]] = ()) -> None:
    """`Value.rebind` of parameters to their new arrays, and ``mapping[key] = value`` of `others`, at once.

    Python code of a signal handler runs between two instructions, and all this is one: an interrupt finds
    everything old or everything new. So it is with `writes`, which are called first, if they run no Python.
    """
    if len(updates) == 1:
        parameters, arrays = updates[0]
    else:
        parameters = [parameter for changed, _ in updates for parameter in changed]
        arrays = [array for _, new in updates for array in new]
    rebind(parameters, map(call, writes), map(setattr, parameters, repeat("_value"), arrays),
           starmap(setitem, others))


def rebind(parameters: Sequence[Value], *setting: Iterator[None]) -> None:
    """Go through what sets the parameters' new arrays, and whatever else, at once: see `rebind_all`."""
    number, shared = tape.now(), []
    for parameter in parameters:
        parameter._version[0] = number
        if parameter._alias is not None:
            shared.append(parameter)
    deque(chain.from_iterable(setting), maxlen=0)
    for parameter in shared:
        sharing.follow(parameter)
