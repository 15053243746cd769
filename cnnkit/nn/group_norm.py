"""Normalisation layers that know no batch: over groups of channels, over the last axes, along channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cnnkit.functional as F
from cnnkit.autograd import Tensor
from cnnkit.foreign import is_whole, plain
from cnnkit.nn import init
from cnnkit.nn.function import FunctionModule
from cnnkit.nn.module import Module
from cnnkit.nn.parameter import Parameter

__all__ = ["GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class _Affine(Module):
    """Base of normalisation layers that have a scale, at first 1, and perhaps a shift, at first 0."""

    weight: Parameter | None
    bias: Parameter | None

    def _make(self, shape: tuple[int, ...], affine: bool, bias: bool, dtype: Any, backend: Any) -> None:
        for name, present in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, Parameter(init.empty(shape, dtype, backend)) if present else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class GroupNorm(_Affine):
    """Normalises each group of channels of each image, then scales and shifts channels (Wu and He 2018).

    Parameters
    ----------
    num_groups, num_channels : int
        The groups must divide the channels.
    eps : float
        Added to the variance.
    affine : bool
        Train a scale and a shift for each channel.
    bias : bool
        Train a shift too, where `affine`.
    dtype : str
        Of the parameters.
    backend : str, optional
        Where they are made; by default where `cnnkit.use` says.

    Raises
    ------
    ValueError
        If the groups do not divide the channels; at the call, if the input has other channels.

    >>> GroupNorm(2, 8)
    GroupNorm(2, 8, eps=1e-05, affine=True, bias=True)
    """

    eps: Any
    num_channels: Any
    num_groups: Any

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *,
                 device: Any = None, dtype: Any = None, bias: bool = True, backend: Any = None):
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps = map(plain, (num_groups, num_channels, eps))
        self.affine = affine
        self._make((num_channels,), affine, bias, dtype, init.place(device, backend))

    def forward(self, input: Tensor) -> Tensor:
        shape = input.shape
        if len(shape) > 1 and shape[1] != self.num_channels and self.weight is not None:
            raise ValueError(f"GroupNorm(num_channels={self.num_channels}) got an input of shape {shape}: "
                             f"{shape[1]} channels in axis 1. Make the layer with num_channels={shape[1]}")
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
                f"bias={self.bias is not None}")


class LayerNorm(_Affine):
    """Normalises over the last axes, then scales and shifts each of their elements (Ba, Kiros, Hinton 2016).

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The sizes of the last axes.
    eps : float
        Added to the variance.
    elementwise_affine : bool
        Train a scale and a shift for each element.
    bias : bool
        Train a shift too, where `elementwise_affine`.
    device, dtype, backend
        As in `GroupNorm`.

    >>> LayerNorm((4, 8))
    LayerNorm((4, 8), eps=1e-05, elementwise_affine=True, bias=True)
    """

    eps: Any
    normalized_shape: tuple[int, ...]

    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5,
                 elementwise_affine: bool = True, bias: bool = True, *, device: Any = None, dtype: Any = None,
                 backend: Any = None):
        super().__init__()
        self.normalized_shape, self.eps = _sizes(normalized_shape), plain(eps)
        self.elementwise_affine = elementwise_affine
        self._make(self.normalized_shape, elementwise_affine, bias, dtype, init.place(device, backend))

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
                f"bias={self.bias is not None}")


class RMSNorm(_Affine):
    """Divides by the root of the mean square over the last axes, then scales (Zhang and Sennrich 2019).

    Parameters
    ----------
    normalized_shape, elementwise_affine, device, dtype, backend
        As in `LayerNorm`; nothing is shifted.
    eps : float, optional
        Added to the mean square; by default the dtype's distance from 1 to the next number.

    >>> RMSNorm(8)
    RMSNorm((8,), eps=None, elementwise_affine=True)
    """

    eps: Any
    normalized_shape: tuple[int, ...]
    elementwise_affine: bool

    def __init__(self, normalized_shape: int | Sequence[int], eps: float | None = None,
                 elementwise_affine: bool = True, *, device: Any = None, dtype: Any = None,
                 backend: Any = None):
        super().__init__()
        self.normalized_shape, self.eps = _sizes(normalized_shape), plain(eps)
        self.elementwise_affine = elementwise_affine
        self.bias: Parameter | None = None
        self.register_parameter("weight", Parameter(init.empty(self.normalized_shape, dtype,
                                                               init.place(device, backend)))
                                if elementwise_affine else None)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(FunctionModule, function=F.local_response_norm):
    """Divides each number by a power of the mean square of its neighbours along the channels.

    See `functional.local_response_norm`.

    >>> LocalResponseNorm(2)
    LocalResponseNorm(2, alpha=0.0001, beta=0.75, k=1.0)
    """

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _sizes(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    if is_whole(normalized_shape):
        return (plain(normalized_shape),)
    return tuple(normalized_shape)  # type: ignore
