"""Parametrisations: a parameter that is computed from others whenever it is asked for."""

from __future__ import annotations

from typing import Any

from cnnkit.nn.container import ModuleList
from cnnkit.nn.module import Module
from cnnkit.nn.module_dict import ModuleDict
from cnnkit.nn.parameter import Parameter

__all__ = ["ParametrizationList", "is_parametrized", "register_parametrization", "remove_parametrizations"]


class ParametrizationList(ModuleList):
    """The modules that make one parameter, and what they make it of: `original`, or ``original0`` and on."""

    def __init__(self, modules: Any, original: Any):
        super().__init__(modules)
        value: Any = original
        for module in reversed(list(self)):
            if hasattr(module, "right_inverse"):
                value = module.right_inverse(value)
        self.count: int | None = len(value) if isinstance(value, tuple) else None
        if self.count is None:
            self.original: Any = original
            if value is not original:
                self.original = Parameter(value, original.requires_grad)
        else:
            for n, part in enumerate(value):
                setattr(self, f"original{n}", Parameter(part, original.requires_grad))

    def forward(self) -> Any:
        """The parameter."""
        first, *others = list(self)
        value = (first(self.original) if self.count is None
                 else first(*(getattr(self, f"original{n}") for n in range(self.count))))
        for module in others:
            value = module(value)
        return value


def register_parametrization(module: Any, tensor_name: str, parametrization: Module, *,
                             unsafe: bool = False) -> Any:
    """Let a parameter be what `parametrization` makes of the one that is trained in its place.

    Parameters
    ----------
    module : Module
        Whose parameter it is. Its class becomes a subclass of the one it had.
    tensor_name : str
        The parameter's name.
    parametrization : Module
        Called with the original; with ``right_inverse`` it says which original gives the present value, a
        Tensor or a tuple of several.
    unsafe : bool
        Accepted as PyTorch's.

    >>> from cnnkit import nn
    >>> layer = nn.Linear(2, 1)
    >>> repr(register_parametrization(layer, "weight", nn.ReLU())).splitlines()[0]
    'ParametrizedLinear('
    >>> bool((-layer.weight).max() <= 0)
    True
    """
    if is_parametrized(module, tensor_name):
        module.parametrizations[tensor_name].append(parametrization)
        return module
    original = getattr(module, tensor_name)
    if not isinstance(original, Parameter):
        raise ValueError(f"{type(module).__name__} has no parameter {tensor_name!r} to parametrize")
    made = ParametrizationList([parametrization], original)
    if not is_parametrized(module):
        kind = type(module)
        module.__class__ = type(f"Parametrized{kind.__name__}", (kind,), {"_unparametrized": kind})
        module.parametrizations = ModuleDict()
    delattr(module, tensor_name)
    module.parametrizations[tensor_name] = made
    setattr(type(module), tensor_name, property(lambda self: self.parametrizations[tensor_name]()))
    return module


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrisations, or one of a certain parameter."""
    held = vars(module).get("parametrizations")
    return isinstance(held, ModuleDict) and (tensor_name is None or tensor_name in held)


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Make a parameter a plain one again, with its present value or the original's."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"{type(module).__name__} has no parametrization on {tensor_name!r}")
    made = module.parametrizations[tensor_name]
    if not leave_parametrized and made.count is not None:
        raise ValueError("leaving the original is for parametrisations of one original; this has several")
    value = made().detach() if leave_parametrized else made.original
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del module.parametrizations
        module.__class__ = type(module)._unparametrized
    module.register_parameter(tensor_name, value if isinstance(value, Parameter) else Parameter(value))
    return module
