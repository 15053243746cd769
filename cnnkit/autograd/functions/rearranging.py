"""Functions that put elements elsewhere along their axes, or repeat them: flip, roll, rotate, tile."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.axes import axes_of, sizes_of
from cnnkit.autograd.functions.moving import transpose
from cnnkit.autograd.value import Value
from cnnkit.ops import indexing, reduction, shaping

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["flip", "fliplr", "flipud", "roll", "rot90", "tile"]


def flip(input: Tensor, dims: Any) -> Tensor:
    """The elements in reverse order along some axes.

    >>> import cnnkit
    >>> cnnkit.flip(cnnkit.tensor([[1, 2], [3, 4]]), (0,))
    tensor([[3, 4],
            [1, 2]])
    """
    axes = axes_of("flip", dims, input.ndim)
    if not axes or not input.shape:
        return input.clone()
    backwards, whole = slice(None, None, -1), slice(None)
    return apply(indexing.getitem, input,
                 index=tuple([backwards if i in axes else whole for i in range(input.ndim)]))


def fliplr(input: Tensor) -> Tensor:
    """The columns of a matrix in reverse order.

    >>> import cnnkit
    >>> cnnkit.fliplr(cnnkit.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    if input.ndim < 2:
        raise RuntimeError(f"fliplr needs at least two axes; this Tensor has shape {input.shape}")
    return flip(input, (1,))


def flipud(input: Tensor) -> Tensor:
    """The rows in reverse order.

    >>> import cnnkit
    >>> cnnkit.flipud(cnnkit.tensor([1, 2, 3]))
    tensor([3, 2, 1])
    """
    if input.ndim < 1:
        raise RuntimeError(f"flipud needs at least one axis; this Tensor has shape {input.shape}")
    return flip(input, (0,))


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """The elements moved along axes, those that leave at the end coming in at the front.

    Without `dims` the flattened Tensor is rolled.

    >>> import cnnkit
    >>> cnnkit.roll(cnnkit.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    steps = tuple(shifts) if isinstance(shifts, Sequence) else (shifts,)
    if dims is None or dims == ():
        if len(steps) != 1:
            raise RuntimeError(f"roll without dims takes one shift; got {shifts}")
        return roll(input.reshape(-1 if input.numel() else 0), steps[0], 0).reshape(input.shape)
    numbers = tuple(dims) if isinstance(dims, Sequence) else (dims,)
    if len(numbers) != len(steps):
        raise RuntimeError(f"roll needs a shift for each axis; got shifts {shifts} and dims {dims}")
    y = input
    for step, dim in zip(steps, numbers):
        (axis,) = axes_of("roll", dim, input.ndim)
        n = y.shape[axis] if y.shape else 0
        if n and (first := -operator.index(step) % n):
            before = (slice(None),) * axis
            y = apply(shaping.concat, y[(*before, slice(first, None))], y[(*before, slice(first))], axis=axis)
    return input.clone() if y is input else y


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """The plane of two axes turned `k` quarters, from the first axis towards the second.

    >>> import cnnkit
    >>> cnnkit.rot90(cnnkit.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    if len(dims) != 2 or input.ndim < 2:
        raise RuntimeError(f"rot90 turns the plane of two axes; got dims {tuple(dims)} for a Tensor of "
                           f"shape {input.shape}")
    first, second = axes_of("rot90", dims, input.ndim)
    turned = {0: (), 1: (second,), 2: (first, second), 3: (first,)}[k % 4]
    y = flip(input, turned)
    return transpose(y, first, second) if k % 2 else y


def tile(input: Tensor, dims: Any) -> Tensor:
    """The Tensor repeated along each axis; numbers that are missing in front are 1.

    >>> import cnnkit
    >>> cnnkit.tile(cnnkit.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    times = sizes_of((dims,)) if isinstance(dims, tuple | list) else (dims,)
    return _repeated("tile", input, (*(1,) * (input.ndim - len(times)), *times))


def _repeated(name: str, input: Value, times: tuple) -> Tensor:
    times = tuple([operator.index(n) for n in times])
    if len(times) < input.ndim or any(n < 0 for n in times):
        raise RuntimeError(f"{name} needs a number of times, 0 or more, for each axis of shape "
                           f"{input.shape}; got {times}")
    shape = (*(1,) * (len(times) - input.ndim), *input.shape)
    y = apply(shaping.reshape, input, shape=tuple([n for size in shape for n in (1, size)]))
    y = apply(shaping.expand, y, shape=tuple([n for pair in zip(times, shape) for n in pair]))
    y = apply(shaping.reshape, y, shape=tuple([n * size for n, size in zip(times, shape)]))
    return apply(shaping.clone, y) if all(n == 1 for n in times) else y


class RearrangingMethods(Value):
    """What puts elements elsewhere, as a Tensor's methods."""

    __slots__ = ()

    fliplr = fliplr
    flipud = flipud
    roll = roll
    rot90 = rot90

    def flip(self, *axes: Any, dims: Any = None) -> Tensor:
        """The elements in reverse order along some axes."""
        return flip(self, sizes_of(axes, dims))  # type: ignore[arg-type]

    def tile(self, *times: Any, dims: Any = None) -> Tensor:
        """The Tensor repeated along each axis; numbers that are missing in front are 1."""
        return tile(self, sizes_of(times, dims))  # type: ignore[arg-type]

    def sum_to_size(self, *sizes: Any, size: Any = None) -> Tensor:
        """The sums over the axes along which a Tensor of this shape would be stretched by `expand`."""
        target = sizes_of(sizes, size)
        extra = self.ndim - len(target)
        if extra < 0 or any(n not in (1, m) for n, m in zip(target, self.shape[max(extra, 0):])):
            raise RuntimeError(f"sum_to_size cannot sum shape {self.shape} to {tuple(target)}")
        axes = tuple([i for i, n in enumerate(self.shape) if i < extra or (target[i - extra] == 1 != n)])
        total = apply(reduction.sum, self, axis=axes, keepdims=True) if axes else self
        return apply(shaping.reshape, total, shape=target)

    def repeat(self, *times: Any, repeats: Any = None) -> Tensor:
        """The Tensor repeated along each axis; more numbers than axes add axes in front."""
        return _repeated("repeat", self, sizes_of(times, repeats))
