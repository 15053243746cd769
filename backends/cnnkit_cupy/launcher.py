"""Launching: every argument is cast to the type that the kernel declares, and what does not fit is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from cnnkit.backends import dtype_name
from cnnkit_cupy.sources import source, structure

__all__ = ["KERNELS", "In", "Kernel", "Out", "Scalar", "Struct", "declare", "launch", "strides"]

Array = Any
LARGEST_GRID = (2**31 - 1, 65535, 65535)


@dataclass(frozen=True)
class In:
    """An array that the kernel reads. `strided`: it may be any view, and the kernel is told its strides."""

    dtype: str
    strided: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Out:
    """An array that the kernel writes, in full, in C order; `channels_last`: (N, C, H, W) whose memory is (N, H, W, C)."""

    dtype: str
    optional: bool = False
    channels_last: bool = False


@dataclass(frozen=True)
class Scalar:
    """A number by value."""

    dtype: str


@dataclass(frozen=True)
class Struct:
    """A structure of the source by value, given as a mapping or a tuple of its fields."""

    name: str


@dataclass(frozen=True)
class Kernel:
    """One instance of a kernel: what the launcher, the emulator's build and the static checks know of it.

    Attributes
    ----------
    module, name : str
        ``cuda/<module>.cu``, and the name expression, for NVRTC and C++ alike.
    parameters : tuple
        What it takes, in order.
    block : tuple of int
        Threads of a block.
    shared : int
        Bytes of shared memory of a block; the emulator checks them.
    launch_bounds : tuple of int
        As in the source: at most so many threads a block, at least so many blocks on a multiprocessor.
    arch : int
        The lowest architecture: 75 is Turing.
    ops : tuple of str
        The ops that launch it.
    """

    module: str
    name: str
    parameters: tuple
    block: tuple[int, int, int] = (256, 1, 1)
    shared: int = 0
    launch_bounds: tuple[int, ...] = (256,)
    arch: int = 75
    ops: tuple[str, ...] = ()


KERNELS: dict[str, Kernel] = {}


def declare(*kernels: Kernel, ops: tuple[str, ...]) -> None:
    """Add instances to the table, and which ops launch them."""
    KERNELS.update((k.name, replace(k, ops=ops)) for k in kernels)


def instances(module: str) -> tuple[str, ...]:
    """The names of all instances of one source."""
    return tuple(k.name for k in KERNELS.values() if k.module == module)


def strides(array: Array) -> tuple[int, ...]:
    """Strides in elements."""
    return tuple(s // array.dtype.itemsize for s in array.strides)


def launch(device: Any, name: str, grid: tuple[int, int, int], *arguments: Any) -> None:
    """Run the kernel called `name` on `device`, with its own block and this grid; an empty grid runs nothing.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what the kernel declares: the number of arguments, dtype, contiguity, alignment, or range.
    """
    kernel = KERNELS[name]
    if len(arguments) != len(kernel.parameters):
        raise TypeError(f"{name} takes {len(kernel.parameters)} arguments; got {len(arguments)}")
    if any(n > most for n, most in zip(grid, LARGEST_GRID)):
        raise ValueError(f"{name}: a grid of {grid} blocks is larger than CUDA's {LARGEST_GRID}")
    packed = [cast(device, kernel, i, p, a) for i, (p, a) in enumerate(zip(kernel.parameters, arguments))]
    if prod(grid) == 0:
        return
    used = device.run(source(kernel.module), instances(kernel.module), name, grid, kernel.block, packed,
                      [isinstance(p, Out) for p in kernel.parameters])
    if used is not None and used != kernel.shared:
        raise ValueError(f"{name} used {used} bytes of shared memory a block, and its row in the table says {kernel.shared}")


def cast(device: Any, kernel: Kernel, position: int, parameter: Any, argument: Any) -> Any:
    """The argument as the parameter's own type, or an error that names both."""
    what = f"{kernel.name}, argument {position}"
    if isinstance(parameter, Scalar):
        return np.dtype(parameter.dtype).type(argument)
    if isinstance(parameter, Struct):
        return pack(what, structure(kernel.module, parameter.name), argument)
    if argument is None:
        if not parameter.optional:
            raise TypeError(f"{what} must be an array of {parameter.dtype}; got None")
        return None
    if dtype_name(argument.dtype) != parameter.dtype:
        raise TypeError(f"{what} must be an array of {parameter.dtype}; got {dtype_name(argument.dtype)}")
    last = getattr(parameter, "channels_last", False)
    if not getattr(parameter, "strided", False) and not contiguous(argument, last):
        order = "contiguous with the channels last" if last else "contiguous"
        raise ValueError(f"{what} must be {order}; got shape {argument.shape} with strides {argument.strides}")
    size = argument.dtype.itemsize
    if any(s % size for s in argument.strides) or (argument.size and device.address(argument) % size):
        raise ValueError(f"{what} is not aligned to its elements of {size} bytes")
    return argument


def pack(what: str, dtype: np.dtype, values: Any) -> np.ndarray:
    """A structure by value, as an array of one element."""
    names = dtype.names or ()
    given = values if isinstance(values, Mapping) else dict(zip(names, values, strict=True))
    if given.keys() != set(names):
        raise TypeError(f"{what} needs the fields {', '.join(names)}; got {', '.join(given)}")
    packed = np.zeros(1, dtype)
    for name in names:
        packed[name] = given[name]
    return packed


def contiguous(array: Array, channels_last: bool = False) -> bool:
    """Whether the array's memory is in C order, or has the channels last, without gaps."""
    if 0 in array.shape:
        return True
    expected = array.dtype.itemsize
    order = (1, 3, 2, 0) if channels_last else range(array.ndim - 1, -1, -1)  # from the axis whose elements are neighbours
    for n, stride in ((array.shape[axis], array.strides[axis]) for axis in order):
        if n > 1 and stride != expected:
            return False
        expected *= n
    return True
