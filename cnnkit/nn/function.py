"""Layers that are one function: a class names the function, and the function's signature is the layer's."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from cnnkit.autograd import Tensor
from cnnkit.foreign import plain
from cnnkit.nn.module import Module

__all__ = ["FunctionModule"]


class FunctionModule(Module):
    """A layer that calls a function of `cnnkit.functional` with settings that are given once.

    Subclasses name the function: ``class ELU(FunctionModule, function=F.elu)``. The function's first
    `inputs` arguments are the layer's inputs, the others its settings: arguments of the constructor, with the
    same names, order and defaults, and attributes of the layer. A `dtype` is none: `Module.to` says it.

    Parameters
    ----------
    function : callable
        A function of Tensors; see `cnnkit.functional`.
    inputs : int
        How many of its arguments, counted from the first, are given at the call.
    buffers : tuple of str
        Settings that are Tensors, which move with the layer and belong to its state.
    shown : bool
        Whether `repr` shows the settings (`inplace` only where it is true).

    >>> import cnnkit
    >>> import cnnkit.functional as F
    >>> class Flatten(FunctionModule, function=F.flatten):
    ...     "A layer that flattens from axis 0 by default."
    >>> Flatten(1)
    Flatten(start_dim=1, end_dim=-1)
    >>> Flatten()(cnnkit.tensor([[1.0], [2.0]]))
    tensor([1., 2.])
    """

    _function: ClassVar[Callable[..., Any]]
    _settings: ClassVar[inspect.Signature]
    _tensors: ClassVar[tuple[str, ...]]
    _shown: ClassVar[bool]

    def __init_subclass__(cls, *, function: Callable[..., Any] | None = None, inputs: int = 1,
                          buffers: tuple[str, ...] = (), shown: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if function is not None:
            arguments = list(inspect.signature(function).parameters.values())[inputs:]
            settings = inspect.Signature([a for a in arguments if a.name != "dtype"])
            cls._function, cls._settings = staticmethod(function), settings
            cls._tensors, cls._shown = buffers, shown
        elif not hasattr(cls, "_function"):
            raise TypeError(f"{cls.__name__} names no function; write "
                            f"class {cls.__name__}(FunctionModule, function=...)")
        shown_signature = cls._settings
        if "__init__" in vars(cls):
            _, *arguments = inspect.signature(cls.__init__).parameters.values()
            shown_signature = inspect.Signature(arguments)
        cls.__signature__ = shown_signature  # type: ignore[attr-defined]

    def __init__(self, *settings: Any, **named: Any):
        super().__init__()
        try:
            bound = self._settings.bind(*settings, **named)
        except TypeError as error:
            names = ", ".join(self._settings.parameters) or "none"
            raise TypeError(f"{type(self).__name__}: {error}; its settings are: {names}") from None
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            if name in self._tensors:
                self.register_buffer(name, value)
            else:
                setattr(self, name, plain(value))

    def forward(self, *inputs: Tensor) -> Tensor:
        return self._function(*inputs, *[getattr(self, name) for name in self._settings.parameters])

    def extra_repr(self) -> str:
        values = {name: getattr(self, name) for name in self._settings.parameters} if self._shown else {}
        return ", ".join(f"{name}={value!r}" for name, value in values.items() if name != "inplace" or value)
