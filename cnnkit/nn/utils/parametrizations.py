"""`weight_norm` and `spectral_norm` as parametrisations, PyTorch's present form of both."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.nn.module import Module
from cnnkit.nn.utils.parametrize import register_parametrization
from cnnkit.nn.utils.spectral_norm import as_matrix, drawn_unit, output_axis, power_iterations
from cnnkit.nn.utils.weight_norm import norm_except

__all__ = ["spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    def __init__(self, dim: int | None):
        super().__init__()
        self.dim = dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        length = norm_except(weight_v, self.dim)
        return weight_v * (weight_g.reshape(length.shape) / length)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        length = norm_except(weight, self.dim)
        return length if self.dim is not None else length.reshape(()), weight


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Let a weight be a direction and a length, trained apart; see `nn.utils.weight_norm`.

    >>> from cnnkit import nn
    >>> list(weight_norm(nn.Linear(2, 1)).state_dict())[1:]
    ['parametrizations.weight.original0', 'parametrizations.weight.original1']
    """
    return register_parametrization(module, name, _WeightNorm(None if dim == -1 else dim), unsafe=True)


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float):
        super().__init__()
        if n_power_iterations <= 0:
            raise ValueError("Expected n_power_iterations to be positive, but got "
                             f"n_power_iterations={n_power_iterations}")
        self.dim, self.n_power_iterations, self.eps = dim, n_power_iterations, eps
        matrix = as_matrix(weight.detach(), dim)
        if len(weight.shape) > 1:
            u, v = (drawn_unit(size, weight, eps) for size in matrix.shape)
            self.register_buffer("_u", u)
            self.register_buffer("_v", v)
            power_iterations(matrix.T, v, u, 15, eps)  # here u is turned before v

    def forward(self, weight: Tensor) -> Tensor:
        if len(weight.shape) == 1:
            return weight / (weight * weight).sum().sqrt().clamp(min=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            power_iterations(matrix.T, self._v, self._u, self.n_power_iterations, self.eps)
        u, v = self._u.clone(), self._v.clone()
        return weight / (u * (matrix @ v)).sum()

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
                  dim: int | None = None) -> Any:
    """Divide a weight by its largest singular value; see `nn.utils.spectral_norm`.

    >>> from cnnkit import nn
    >>> list(spectral_norm(nn.Linear(2, 1, bias=False)).state_dict())[1:]
    ['parametrizations.weight.0._u', 'parametrizations.weight.0._v']
    """
    made = _SpectralNorm(getattr(module, name), n_power_iterations, output_axis(module, dim), eps)
    return register_parametrization(module, name, made)
