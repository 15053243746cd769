"""Lazy layers: the first input says how many channels or features they take."""

from __future__ import annotations

from typing import Any, ClassVar

from cnnkit.autograd import Tensor
from cnnkit.nn.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    _Convolution,
)
from cnnkit.nn.linear import Linear
from cnnkit.nn.module import Module
from cnnkit.nn.norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    _Norm,
)
from cnnkit.nn.uninitialized import Uninitialized, UninitializedBuffer, UninitializedParameter

__all__ = ["LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyConv1d", "LazyConv2d", "LazyConv3d",
           "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d", "LazyInstanceNorm1d",
           "LazyInstanceNorm2d", "LazyInstanceNorm3d", "LazyLinear"]


class _Lazy(Module):
    """Base of lazy layers: the first call makes the parameters, and the layer one of the usual class.

    Before it, parameters and buffers are an `UninitializedParameter` or `UninitializedBuffer`, which can be
    moved and converted, and take the values of a loaded state.
    """

    becomes: ClassVar[type[Module]]

    def forward(self, input: Tensor, *args: Any, **kwargs: Any) -> Any:
        self.initialize_parameters(input)
        self.__class__ = self.becomes  # type: ignore[assignment]
        return self.forward(input, *args, **kwargs)

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this layer has no values yet."""
        return any(isinstance(value, Uninitialized) for value in vars(self).values())

    def initialize_parameters(self, input: Tensor) -> None:
        """Make and draw the parameters that an input like this needs; those of a loaded state stay."""
        shapes = self._shapes(input.shape)
        if self.has_uninitialized_params():
            for name, shape in shapes.items():
                value = vars(self)[name]
                if isinstance(value, Uninitialized):
                    value.materialize(shape)
            self.becomes.reset_parameters(self)  # type: ignore[attr-defined]

    def reset_parameters(self) -> None:
        """Nothing: there are no parameters before the first call."""

    def _shapes(self, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Note the number of channels of an input; the shapes of parameters and buffers."""
        raise NotImplementedError(f"{type(self).__name__} must define _shapes()")


class LazyLinear(_Lazy, Linear):
    """A `Linear` whose `in_features` is the size of the last axis of its first input.

    >>> import cnnkit
    >>> layer = LazyLinear(2)
    >>> layer(cnnkit.tensor([[1.0, 2.0, 3.0]])).shape
    (1, 2)
    >>> layer
    Linear(in_features=3, out_features=2, bias=True)
    """

    becomes: ClassVar[type[Module]] = Linear

    def __init__(self, out_features: int, bias: bool = True, *, device: Any = None, dtype: Any = None,
                 backend: Any = None):
        super().__init__(0, out_features, bias, device=device, dtype=dtype, backend=backend)

    def _make(self, weight: tuple[int, int], bias: bool, dtype: Any, backend: Any) -> None:
        self.weight: UninitializedParameter = UninitializedParameter(dtype=dtype, backend=backend)
        self.register_parameter("bias", UninitializedParameter(dtype=dtype, backend=backend) if bias
                                else None)

    def _shapes(self, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        if not shape:
            raise ValueError(self._misfit(shape))
        self.in_features: int = shape[-1]
        return {"weight": (self.out_features, shape[-1]), **({} if self.bias is None else
                                                             {"bias": (self.out_features,)})}


class _LazyConvolution(_Lazy, _Convolution):
    """Base of lazy convolutions: `in_channels` is that of the first input."""

    transposed: ClassVar[bool] = False

    @classmethod
    def _check_channels(cls, in_channels: int, out_channels: int, groups: int) -> None:
        """The input's channels are not known yet, so they count as a multiple of the groups."""
        super()._check_channels(in_channels or groups, out_channels, groups)

    def _make(self, weight: tuple[int, ...], bias: bool, dtype: Any, backend: Any) -> None:
        self.weight: UninitializedParameter = UninitializedParameter(dtype=dtype, backend=backend)
        self.register_parameter("bias", UninitializedParameter(dtype=dtype, backend=backend) if bias
                                else None)

    def _shapes(self, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        if len(shape) not in (self.rank + 1, self.rank + 2):
            raise ValueError(f"Expected {self.rank + 1}D (unbatched) or {self.rank + 2}D (batched) input to "
                             f"{type(self).__name__}, but got input of size: {shape}")
        channels = shape[-self.rank - 1]
        self._check_channels(channels, self.out_channels, self.groups)
        self.in_channels = channels
        first, second = ((channels, self.out_channels) if self.transposed else (self.out_channels, channels))
        return {"weight": (first, second // self.groups, *self.kernel_size),
                **({} if self.bias is None else {"bias": (self.out_channels,)})}


class _LazyConv(_LazyConvolution):
    def __init__(self, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", *,
                 device: Any = None, dtype: Any = None, backend: Any = None):
        super().__init__(  # type: ignore[call-arg]  # the class after this one is a layer
            0, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
            device=device, dtype=dtype, backend=backend)


class _LazyConvTranspose(_LazyConvolution):
    transposed = True

    def __init__(self, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1,
                 padding_mode: str = "zeros", *, device: Any = None, dtype: Any = None, backend: Any = None):
        super().__init__(  # type: ignore[call-arg]  # the class after this one is a layer
            0, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation,
            padding_mode, device=device, dtype=dtype, backend=backend)  # type: ignore[arg-type]


class LazyConv1d(_LazyConv, Conv1d):
    """A `Conv1d` whose `in_channels` is that of its first input; see `LazyConv2d`."""

    becomes: ClassVar[type[Module]] = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A `Conv2d` whose `in_channels` is that of its first input; the other parameters are `Conv2d`'s.

    >>> import cnnkit
    >>> layer = LazyConv2d(8, 3)
    >>> layer(cnnkit.tensor([[[[0.0] * 5] * 5] * 3])).shape
    (1, 8, 3, 3)
    >>> layer
    Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
    """

    becomes: ClassVar[type[Module]] = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A `Conv3d` whose `in_channels` is that of its first input; see `LazyConv2d`."""

    becomes: ClassVar[type[Module]] = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A `ConvTranspose1d` whose `in_channels` is that of its first input; see `LazyConv2d`."""

    becomes: ClassVar[type[Module]] = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A `ConvTranspose2d` whose `in_channels` is that of its first input; see `LazyConv2d`."""

    becomes: ClassVar[type[Module]] = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A `ConvTranspose3d` whose `in_channels` is that of its first input; see `LazyConv2d`."""

    becomes: ClassVar[type[Module]] = ConvTranspose3d


class _LazyNorm(_Lazy, _Norm):
    """Base of lazy normalisation layers: `num_features` is the number of channels of the first input."""

    def __init__(self, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, *, device: Any = None, dtype: Any = None,
                 bias: bool = True, backend: Any = None):
        super().__init__(0, eps, momentum, affine, track_running_stats, device=device,  # type: ignore
                         dtype=dtype, bias=bias, backend=backend)

    def _make(self, parameter: Any, buffer: Any, affine: bool, bias: bool, track: bool, dtype: Any,
              backend: Any) -> None:
        super()._make(lambda _: UninitializedParameter(dtype=dtype, backend=backend),  # type: ignore
                      lambda _: UninitializedBuffer(dtype=dtype, backend=backend),  # type: ignore
                      affine, bias, track, dtype, backend)

    def _shapes(self, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        self._check_axes(shape)
        unbatched = isinstance(self, _InstanceNorms) and len(shape) == self.axes[0]
        self.num_features: int = shape[0 if unbatched else 1]
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (self.num_features,))


_InstanceNorms = (InstanceNorm1d, InstanceNorm2d, InstanceNorm3d)


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """A `BatchNorm1d` whose `num_features` is that of its first input; see `LazyBatchNorm2d`."""

    becomes: ClassVar[type[Module]] = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """A `BatchNorm2d` whose `num_features` is that of its first input; other parameters are `BatchNorm2d`'s.

    >>> import cnnkit
    >>> layer = LazyBatchNorm2d()
    >>> layer(cnnkit.tensor([[[[0.0] * 5] * 5] * 3])).shape
    (1, 3, 5, 5)
    >>> layer
    BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    becomes: ClassVar[type[Module]] = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """A `BatchNorm3d` whose `num_features` is that of its first input; see `LazyBatchNorm2d`."""

    becomes: ClassVar[type[Module]] = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """An `InstanceNorm1d` whose `num_features` is that of its first input; see `LazyBatchNorm2d`."""

    becomes: ClassVar[type[Module]] = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """An `InstanceNorm2d` whose `num_features` is that of its first input; see `LazyBatchNorm2d`."""

    becomes: ClassVar[type[Module]] = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """An `InstanceNorm3d` whose `num_features` is that of its first input; see `LazyBatchNorm2d`."""

    becomes: ClassVar[type[Module]] = InstanceNorm3d
