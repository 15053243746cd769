"""Batch and instance normalisation layers."""

from __future__ import annotations

import warnings
from typing import Any

import cnnkit.functional as F
from cnnkit.autograd import Tensor
from cnnkit.autograd.counting import count
from cnnkit.foreign import plain
from cnnkit.nn import init
from cnnkit.nn.module import Module
from cnnkit.nn.parameter import Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _Norm(Module):
    """Normalises each channel (axis 1) of a batch, then scales and shifts it (Ioffe and Szegedy 2015).

    Parameters
    ----------
    num_features : int
        Number of channels C.
    eps : float
        Added to the variance.
    momentum : float or None
        How far the running statistics move towards a batch's; ``None`` makes them the average
        over all batches.
    affine : bool
        Train a scale and a shift for each channel.
    track_running_stats : bool
        Keep running statistics for `eval`; without them the batch's own are used always.
    bias : bool
        Train a shift too, where `affine`.
    device : str or device, optional
        PyTorch's way of `backend`: ``"cpu"``, ``"cuda:0"``, another Tensor's ``device``.
    dtype : dtype or str, optional
        Of parameters and statistics.
    backend : str, optional
        Where they are made; by default where `cnnkit.use` says.

    Attributes
    ----------
    weight, bias : Parameter, (C,), or None
        Scale, at first 1, and shift, at first 0.
    running_mean, running_var, num_batches_tracked : Tensor or None
        Buffers under PyTorch's names.

    Raises
    ------
    ValueError
        At the call, if the number of axes or of channels is wrong; in training, if there is one
        value per channel.
    """

    axes: tuple[int, ...] = ()
    _state_version = 2
    _state_since = {"num_batches_tracked": 2}
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    eps: Any
    momentum: Any
    num_features: Any
    affine: bool
    track_running_stats: bool

    def __init__(self, num_features: int, eps: float = 1e-5,
                 momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, *, device: Any = None, dtype: Any = None,
                 bias: bool = True, backend: Any = None):
        super().__init__()
        self.num_features, self.eps, self.momentum = map(plain, (num_features, eps, momentum))
        self.affine, self.track_running_stats = affine, track_running_stats

        self._make(Parameter, Tensor, affine, bias, track_running_stats, dtype,
                   init.place(device, backend))

    def _make(self, parameter: type[Parameter], buffer: type[Tensor], affine: bool, bias: bool, track: bool,
              dtype: Any, backend: Any) -> None:
        """Make parameters and buffers of some classes, and set them to their initial values."""
        def new(shape: tuple = (self.num_features,), dtype: Any = dtype) -> Tensor:
            return init.empty(shape, dtype, backend)
        self.register_parameter("weight", parameter(new()) if affine else None)
        self.register_parameter("bias", parameter(new()) if affine and bias else None)
        self.register_buffer("running_mean", buffer(new()) if track else None)
        self.register_buffer("running_var", buffer(new()) if track else None)
        self.register_buffer("num_batches_tracked", new((), "int64") if track else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget all batches: mean 0, variance 1."""
        if (self.running_mean is not None and self.running_var is not None
                and self.num_batches_tracked is not None):
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0, and no batches seen."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_axes(self, shape: tuple[int, ...]) -> None:
        if len(shape) not in self.axes:
            raise ValueError(f"{self._name()} expected {' or '.join(f'{n}D' for n in self.axes)} input (got "
                             f"{len(shape)}D input of shape {shape})")

    def _name(self) -> str:
        return f"{type(self).__name__}(num_features={self.num_features})"

    def extra_repr(self) -> str:
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
                f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}")


class _BatchNorm(_Norm):
    def forward(self, input: Tensor) -> Tensor:
        shape = input.shape
        self._check_axes(shape)
        if shape[1] != self.num_features:
            raise ValueError(f"{self._name()} got an input of shape {shape}: {shape[1]} channels in axis 1. "
                             f"Make the layer with num_features={shape[1]}")
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            count(self.num_batches_tracked)
            if momentum is None:
                momentum = 1 / self.num_batches_tracked.item()
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias,
                            self.training or self.running_mean is None, momentum or 0.0, self.eps)


class BatchNorm1d(_BatchNorm):
    __doc__ = f"""{_Norm.__doc__}
    >>> BatchNorm1d(8)
    BatchNorm1d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """
    axes: tuple[int, ...] = (2, 3)


class BatchNorm2d(_BatchNorm):
    __doc__ = f"""{_Norm.__doc__}
    >>> BatchNorm2d(8)
    BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """
    axes: tuple[int, ...] = (4,)


class BatchNorm3d(_BatchNorm):
    __doc__ = f"""{_Norm.__doc__}
    >>> BatchNorm3d(8)
    BatchNorm3d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """
    axes: tuple[int, ...] = (5,)


class _InstanceNorm(_Norm):
    """Normalises each channel of each image by itself (Ulyanov, Vedaldi and Lempitsky 2016).

    Parameters are those of `BatchNorm2d`; by default nothing is trained, and no running statistics are kept.
    One image without its batch axis is taken too.

    Raises
    ------
    ValueError
        At the call, if the number of axes is wrong, or with `affine` that of channels.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
                 track_running_stats: bool = False, *, device: Any = None, dtype: Any = None,
                 bias: bool = True, backend: Any = None):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device=device, dtype=dtype,
                         bias=bias, backend=backend)

    def forward(self, input: Tensor) -> Tensor:
        shape = input.shape
        self._check_axes(shape)
        unbatched = len(shape) == self.axes[0]
        channels = shape[0 if unbatched else 1]
        if channels != self.num_features:
            message = (f"{self._name()} got an input of shape {shape}: {channels} channels. "
                       f"Make the layer with num_features={channels}")
            if self.affine or self.track_running_stats:
                raise ValueError(message)
            warnings.warn(f"{message}; without affine=True it makes no difference", stacklevel=2)
        momentum = self.momentum if self.momentum is not None else 0.0
        result = F.instance_norm(input.unsqueeze(0) if unbatched else input, self.running_mean,
                                 self.running_var, self.weight, self.bias,
                                 self.training or not self.track_running_stats, momentum, self.eps)
        return result.squeeze(0) if unbatched else result


class InstanceNorm1d(_InstanceNorm):
    __doc__ = f"""{_InstanceNorm.__doc__}
    >>> InstanceNorm1d(8)
    InstanceNorm1d(8, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)
    """
    axes: tuple[int, ...] = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    __doc__ = f"""{_InstanceNorm.__doc__}
    >>> InstanceNorm2d(8)
    InstanceNorm2d(8, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)
    """
    axes: tuple[int, ...] = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    __doc__ = f"""{_InstanceNorm.__doc__}
    >>> InstanceNorm3d(8)
    InstanceNorm3d(8, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)
    """
    axes: tuple[int, ...] = (4, 5)
