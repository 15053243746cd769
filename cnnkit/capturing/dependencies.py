"""What a step depends on beside its arguments: modules, optimizers, Tensors and numbers that its code names.

They are found by looking through the function's closure, the globals that it names, the functions that it
calls, and the attributes of what it is a method of.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Mapping
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.capturing.users_code import is_cnnkits
from cnnkit.nn import Module
from cnnkit.optim import Optimizer

__all__ = ["Dependencies", "exact"]

PLAIN = (bool, int, float, str, bytes, type(None))
DEPTH = 4  # of containers and objects in each other


class Dependencies:
    """What the code of a step can reach.

    Attributes
    ----------
    modules : list of Module
        With all modules in them.
    optimizers : list of Optimizer
    tensors : list of Tensor
        Parameters and buffers of the modules, the optimizers' parameters, and others.
    places : list of (object, str)
        Closure cells and namespaces in which the code names plain values, and their names.

    >>> import cnnkit
    >>> model, scale = cnnkit.nn.Linear(2, 1), 3.0
    >>> found = Dependencies(lambda x: model(x) * scale)
    >>> found.modules == [model], len(found.tensors)
    (True, 2)
    """

    def __init__(self, step: Any, others: Any = ()):
        self.modules: list[Module] = []
        self.optimizers: list[Optimizer] = []
        self._tensors: dict[int, Tensor] = {}
        self.places: list[tuple[Any, str]] = []
        self._seen: dict[int, Any] = {}
        self._look(step, DEPTH)
        self._look(others, DEPTH)
        for module in self.modules:
            for tensor in (*module._own("parameters"), *module._own("buffers")):
                self._tensors[id(tensor[1])] = tensor[1]
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    self._tensors[id(parameter)] = parameter

    @property
    def tensors(self) -> list[Tensor]:
        return list(self._tensors.values())

    def numbers(self) -> tuple[Any, ...]:
        """The plain values that the code names, as they are now."""
        return tuple([exact(_read(place, name)) for place, name in self.places]) if self.places else ()

    def settings(self) -> tuple[Any, ...]:
        """The attributes of all modules that are no parameters or buffers, as they are now."""
        return tuple(tuple((name, _comparable(value)) for name, value in vars(module).items())
                     for module in self.modules)

    def _look(self, value: Any, depth: int) -> None:
        if isinstance(value, PLAIN) or id(value) in self._seen or depth < 0:
            return
        self._seen[id(value)] = value
        if isinstance(value, Module):
            self.modules.append(value)
            for inner in vars(value).values():
                self._look(inner, DEPTH if isinstance(inner, Module) else depth - 1)
        elif isinstance(value, Tensor):
            self._tensors[id(value)] = value
        elif isinstance(value, Optimizer):
            self.optimizers.append(value)
        elif isinstance(value, functools.partial):
            for inner in (value.func, value.args, value.keywords):
                self._look(inner, depth)
        elif isinstance(value, types.MethodType):
            self._look(value.__func__, depth)
            self._look(value.__self__, depth)
            if not isinstance(value.__self__, Module | type) and hasattr(value.__self__, "__dict__"):
                namespace = vars(value.__self__)
                self.places += [(namespace, name) for name in _names(value.__func__.__code__)
                                if isinstance(namespace.get(name, ...), PLAIN)]
        elif isinstance(value, types.FunctionType):
            self._look_into(value, depth)
        elif isinstance(value, Mapping):
            for inner in list(value.values()):
                self._look(inner, depth - 1)
        elif isinstance(value, list | tuple | set):
            for inner in list(value):
                self._look(inner, depth - 1)
        elif hasattr(value, "__dict__") and not isinstance(value, type | types.ModuleType):
            for inner in list(vars(value).values()):
                self._look(inner, depth - 1)

    def _look_into(self, function: types.FunctionType, depth: int) -> None:
        if is_cnnkits(function.__code__):
            return
        for cell, name in zip(function.__closure__ or (), function.__code__.co_freevars):
            try:
                inner = cell.cell_contents
            except ValueError:  # nothing is in it yet
                continue
            if isinstance(inner, PLAIN):
                self.places.append((cell, name))
            self._look(inner, depth)
        for name in _names(function.__code__):
            inner = function.__globals__.get(name)
            if isinstance(inner, PLAIN) and name in function.__globals__:
                self.places.append((function.__globals__, name))
            self._look(inner, depth)
        for inner in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._look(inner, depth)


def exact(value: Any) -> Any:
    """A plain value so that equal ones are the same: 1 is not 1.0, and 0.0 is not -0.0.

    >>> exact(0.0) == exact(-0.0), exact(1) == exact(True), exact("a") == exact("a")
    (False, False, True)
    """
    return type(value), value.hex() if type(value) is float else value


def _names(code: types.CodeType) -> Iterator[str]:
    """The names that a function's code, and that of functions in it, may look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _read(place: Any, name: str) -> Any:
    if isinstance(place, types.CellType):
        try:
            return place.cell_contents
        except ValueError:
            return None
    return place.get(name)


def _comparable(value: Any) -> Any:
    """A value whose changes can be seen: plain values, and tuples of them; else which object it is."""
    if isinstance(value, PLAIN):
        return exact(value)
    if isinstance(value, tuple):
        return tuple(map(_comparable, value))
    return Identity(value)


class Identity:
    """Which object something is; it keeps the object, so that no other has its place."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value: Any = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)
