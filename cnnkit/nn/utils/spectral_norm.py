"""Weights divided by their largest singular value, set before every forward: the older ``spectral_norm``."""

from __future__ import annotations

from typing import Any

from cnnkit import random
from cnnkit.autograd import Tensor, no_grad
from cnnkit.nn.parameter import Parameter

__all__ = ["as_matrix", "drawn_unit", "power_iterations", "remove_spectral_norm", "spectral_norm", "unit"]


def unit(vector: Tensor, eps: float) -> Tensor:
    """The vector at length 1; one shorter than `eps` is divided by that."""
    return vector / (vector * vector).sum().sqrt().clamp(min=eps)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight with a row for each index of `dim`."""
    if dim:
        weight = weight.permute(dim, *(n for n in range(len(weight.shape)) if n != dim))
    return weight.reshape(weight.shape[0], -1)


def drawn_unit(size: int, like: Tensor, eps: float) -> Tensor:
    """A random direction."""
    array = like.array
    return unit(Tensor(random.normal(random.next_key(), (size,), 0.0, 1.0, array.dtype, like=array)), eps)


def power_iterations(matrix: Tensor, u: Tensor, v: Tensor, times: int, eps: float) -> None:
    """Turn `u` and `v`, in place, towards the singular vectors of the largest singular value."""
    with no_grad():
        for _ in range(times):
            v.copy_(unit(matrix.T @ u, eps))
            u.copy_(unit(matrix @ v, eps))


class SpectralNorm:
    """The hook that sets a module's weight before its forward."""

    dim: int
    eps: float
    name: str
    times: int

    def __init__(self, name: str, times: int, dim: int, eps: float):
        self.name, self.times, self.dim, self.eps = name, times, dim, eps

    def compute_weight(self, module: Any, iterate: bool) -> Tensor:
        """The weight over its largest singular value, as the vectors of the module's buffers give it."""
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = as_matrix(weight, self.dim)
        if iterate:
            power_iterations(matrix, u, v, self.times, self.eps)
            u, v = u.clone(), v.clone()
        return weight / (u * (matrix @ v)).sum()

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


def spectral_norm(module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
                  dim: int | None = None) -> Any:
    """Divide a weight by an estimate of its largest singular value, which every training step improves.

    Parameters
    ----------
    module : Module
        Whose weight it is; it is changed and returned.
    name : str
        The weight's.
    n_power_iterations : int
        Steps of the estimate in each forward of training.
    eps : float
        The least length that is divided by.
    dim : int, optional
        The axis of the outputs: 1 for transposed convolution, else 0.

    References
    ----------
    Miyato, Kataoka, Koyama and Yoshida, "Spectral normalization for generative adversarial networks", 2018.

    Examples
    --------
    >>> from cnnkit import nn
    >>> list(spectral_norm(nn.Linear(2, 3)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if any(isinstance(hook.call, SpectralNorm) and hook.call.name == name for hook in module._hooks):
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    if n_power_iterations <= 0:
        raise ValueError("Expected n_power_iterations to be positive, but got "
                         f"n_power_iterations={n_power_iterations}")
    hook = SpectralNorm(name, n_power_iterations, output_axis(module, dim), eps)
    weight = getattr(module, name)
    rows, columns = as_matrix(weight, hook.dim).shape
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    setattr(module, name, weight.detach())
    module.register_buffer(name + "_u", drawn_unit(rows, weight, eps))
    module.register_buffer(name + "_v", drawn_unit(columns, weight, eps))
    module.register_forward_pre_hook(hook)
    return module


def output_axis(module: Any, dim: int | None) -> int:
    """The axis of a weight that counts outputs."""
    return int("ConvTranspose" in type(module).__name__) if dim is None else dim


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Undo `spectral_norm`: the weight is a parameter again, with its present value."""
    for hook in module._hooks:
        if isinstance(hook.call, SpectralNorm) and hook.call.name == name:
            weight = hook.call.compute_weight(module, iterate=False)
            for part in (name, name + "_orig", name + "_u", name + "_v"):
                delattr(module, part)
            module.register_parameter(name, Parameter(weight))
            module._hooks = tuple(h for h in module._hooks if h is not hook)
            return module
    raise ValueError(f"spectral_norm of {name!r} not found in {module!r}")
