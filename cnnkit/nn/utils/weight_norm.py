"""Weights as a direction and a length, set before every forward: PyTorch's older ``weight_norm``."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.nn.parameter import Parameter

__all__ = ["norm_except", "remove_weight_norm", "weight_norm"]


def norm_except(v: Tensor, dim: int | None) -> Tensor:
    """The norm over all axes but `dim`, or over all with ``None``, with axes of size 1."""
    axes = tuple(n for n in range(len(v.shape)) if dim is None or n != dim % len(v.shape))
    return (v * v).sum(axes, keepdim=True).sqrt() if axes else v.abs()


class WeightNorm:
    """The hook that sets a module's weight before its forward."""

    dim: int | None
    name: str

    def __init__(self, name: str, dim: int | None):
        self.name, self.dim = name, dim

    def compute_weight(self, module: Any) -> Tensor:
        """The weight: v, which says the direction, at the length g."""
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        length = norm_except(v, self.dim)
        return v * (g.reshape(length.shape) / length)

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Let a weight be ``g * v / norm(v)``, of which `name` + ``_g`` and `name` + ``_v`` are trained.

    Parameters
    ----------
    module : Module
        Whose weight it is; it is changed and returned.
    name : str
        The weight's.
    dim : int or None
        The axis along which each index has its own norm; ``None`` takes one norm of all.

    References
    ----------
    Salimans and Kingma, "Weight normalization", 2016.

    Examples
    --------
    >>> from cnnkit import nn
    >>> [name for name, _ in weight_norm(nn.Linear(2, 1)).named_parameters()]
    ['bias', 'weight_g', 'weight_v']
    """
    if any(isinstance(hook.call, WeightNorm) and hook.call.name == name for hook in module._hooks):
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    dim = None if dim == -1 else dim
    weight = getattr(module, name)
    delattr(module, name)
    hook = WeightNorm(name, dim)
    module.register_parameter(name + "_g", Parameter(norm_except(weight, dim) if dim is not None
                                                     else norm_except(weight, dim).reshape(())))
    module.register_parameter(name + "_v", Parameter(weight))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Undo `weight_norm`: the weight is a parameter again, with its present value."""
    for hook in module._hooks:
        if isinstance(hook.call, WeightNorm) and hook.call.name == name:
            weight = hook.call.compute_weight(module)
            for part in (name, name + "_g", name + "_v"):
                delattr(module, part)
            module.register_parameter(name, Parameter(weight))
            module._hooks = tuple(h for h in module._hooks if h is not hook)
            return module
    raise ValueError(f"weight_norm of {name!r} not found in {module!r}")
