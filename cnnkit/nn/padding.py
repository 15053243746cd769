"""Padding layers, along the last one, two and three axes."""

from __future__ import annotations

from typing import Any, ClassVar

import cnnkit.functional as F
from cnnkit.autograd import Tensor
from cnnkit.nn.module import Module

__all__ = ["CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
           "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d",
           "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d"]


class _Pad(Module):
    """Base of all padding layers: amounts for the last `rank` axes, the last axis first."""

    rank: ClassVar[int]
    mode: ClassVar[str] = "constant"
    value: float | None = None

    def __init__(self, padding: Any):
        super().__init__()
        amounts = tuple(padding) if isinstance(padding, tuple | list) else (padding,) * (2 * self.rank)
        if len(amounts) != 2 * self.rank:
            raise ValueError(f"{type(self).__name__} needs one amount, or one before and one after each of "
                             f"{self.rank} axes, the last axis first; got padding={padding!r}")
        self.padding: tuple[Any, ...] = amounts

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    value: float

    def __init__(self, padding: Any, value: float):
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Puts `value` before and after the last axis; see `functional.pad`.

    Parameters
    ----------
    padding : int or tuple of int
        One amount, or the amounts before and after each axis, the last axis first. Negative ones take
        elements away.
    value : float
        The new elements.

    >>> import cnnkit
    >>> ConstantPad1d((1, 2), 7.0)(cnnkit.tensor([[1.0]]))
    tensor([[7., 1., 7., 7.]])
    """

    rank = 1


class ConstantPad2d(_ConstantPad):
    """Puts `value` around images, by one amount or (left, right, top, bottom); see `ConstantPad1d`."""

    rank = 2


class ConstantPad3d(_ConstantPad):
    """Puts `value` around volumes, by one amount or (left, right, ..., back); see `ConstantPad1d`."""

    rank = 3


class ZeroPad1d(_Pad):
    """Puts zeros before and after the last axis; see `ConstantPad1d`."""

    rank: ClassVar[int] = 1
    value: float = 0.0


class ZeroPad2d(_Pad):
    """Puts zeros around images, by one amount or (left, right, top, bottom).

    >>> import cnnkit
    >>> ZeroPad2d((1, 0, 1, 0))(cnnkit.tensor([[[1.0]]]))
    tensor([[[0., 0.],
             [0., 1.]]])
    """

    rank: ClassVar[int] = 2
    value: float = 0.0


class ZeroPad3d(_Pad):
    """Puts zeros around volumes, by one amount or (left, right, ..., back); see `ConstantPad1d`."""

    rank: ClassVar[int] = 3
    value: float = 0.0


class ReflectionPad1d(_Pad):
    """Mirrors the last axis at its first and last element, which are not repeated.

    >>> import cnnkit
    >>> ReflectionPad1d(2)(cnnkit.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    rank: ClassVar[int] = 1
    mode: ClassVar[str] = "reflect"


class ReflectionPad2d(_Pad):
    """Mirrors images at their edges, by one amount or (left, right, top, bottom); see `ReflectionPad1d`."""

    rank: ClassVar[int] = 2
    mode: ClassVar[str] = "reflect"


class ReflectionPad3d(_Pad):
    """Mirrors volumes at their faces, by one amount or (left, right, ..., back); see `ReflectionPad1d`."""

    rank: ClassVar[int] = 3
    mode: ClassVar[str] = "reflect"


class ReplicationPad1d(_Pad):
    """Repeats the first and the last element of the last axis.

    >>> import cnnkit
    >>> ReplicationPad1d((1, 2))(cnnkit.tensor([[1.0, 2.0]]))
    tensor([[1., 1., 2., 2., 2.]])
    """

    rank: ClassVar[int] = 1
    mode: ClassVar[str] = "replicate"


class ReplicationPad2d(_Pad):
    """Repeats the edges of images, by one amount or (left, right, top, bottom); see `ReplicationPad1d`."""

    rank: ClassVar[int] = 2
    mode: ClassVar[str] = "replicate"


class ReplicationPad3d(_Pad):
    """Repeats the faces of volumes, by one amount or (left, right, ..., back); see `ReplicationPad1d`."""

    rank: ClassVar[int] = 3
    mode: ClassVar[str] = "replicate"


class CircularPad1d(_Pad):
    """Puts the end of the last axis before its start, and the start after its end.

    >>> import cnnkit
    >>> CircularPad1d(1)(cnnkit.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 1., 2., 3., 1.]])
    """

    rank: ClassVar[int] = 1
    mode: ClassVar[str] = "circular"


class CircularPad2d(_Pad):
    """Wraps images around both axes, by one amount or (left, right, top, bottom); see `CircularPad1d`."""

    rank: ClassVar[int] = 2
    mode: ClassVar[str] = "circular"


class CircularPad3d(_Pad):
    """Wraps volumes around their axes, by one amount or (left, right, ..., back); see `CircularPad1d`."""

    rank: ClassVar[int] = 3
    mode: ClassVar[str] = "circular"
