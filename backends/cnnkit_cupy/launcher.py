"""Launching: the table of kernels, and the one function that runs them with arguments that fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from cnnkit_cupy.parameters import In, Out, Scalar, Struct, contiguous, strides
from cnnkit_cupy.sources import source

__all__ = ["KERNELS", "In", "Kernel", "Out", "Scalar", "Struct", "contiguous", "declare", "launch", "strides"]

LARGEST_GRID = (2**31 - 1, 65535, 65535)


@dataclass(frozen=True)
class Kernel:
    """One instance of a kernel, as the launcher, the emulator's build and the static checks need it.

    Attributes
    ----------
    module, name : str
        ``cuda/<module>.cu``, and the name expression, for NVRTC and C++ alike.
    parameters : tuple
        What it takes, in order.
    block : tuple of int
        Threads of a block.
    shared : int
        Bytes of shared memory of a block that the source declares; the emulator checks them.
    dynamic : int
        Bytes of shared memory of a block that the launch adds (``extern __shared__``): above 48 KB in all,
        there is no other way.
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
    dynamic: int = 0

    @cached_property
    def casts(self) -> tuple:
        """For each parameter, what casts an argument to it, and how errors name that argument."""
        return tuple((p.cast, f"{self.name}, argument {i}") for i, p in enumerate(self.parameters))

    @cached_property
    def written(self) -> list[bool]:
        """For each parameter, whether it is an array that the kernel writes."""
        return [isinstance(p, Out) for p in self.parameters]


KERNELS: dict[str, Kernel] = {}
_instances: dict[str, tuple[str, ...]] = {}  # by module, filled by `instances`


def declare(*kernels: Kernel, ops: tuple[str, ...]) -> None:
    """Add instances to the table, and which ops launch them."""
    KERNELS.update((k.name, replace(k, ops=ops)) for k in kernels)
    _instances.clear()


def instances(module: str) -> tuple[str, ...]:
    """The names of all instances of one source."""
    if module not in _instances:
        _instances[module] = tuple(k.name for k in KERNELS.values() if k.module == module)
    return _instances[module]


def launch(device: Any, name: str, grid: tuple[int, int, int], *arguments: Any) -> None:
    """Run the kernel called `name` on `device`, with its own block and this grid; an empty grid runs nothing.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not what the kernel declares: the number of arguments, dtype, contiguity,
        alignment, or range.
    """
    kernel = KERNELS[name]
    if len(arguments) != len(kernel.casts):
        raise TypeError(f"{name} takes {len(kernel.parameters)} arguments; got {len(arguments)}")
    x, y, z = grid
    if not (0 <= x <= LARGEST_GRID[0] and 0 <= y <= LARGEST_GRID[1] and 0 <= z <= LARGEST_GRID[2]):
        raise ValueError(f"{name}: a grid has from 0 to {LARGEST_GRID} blocks; got {grid}")
    packed = [cast(label, kernel.module, device, a) for (cast, label), a in zip(kernel.casts, arguments)]
    if not (x and y and z):
        return
    shared_bytes = device.run(source(kernel.module), instances(kernel.module), name, grid, kernel.block,
                              packed, kernel.written, kernel.dynamic)
    if shared_bytes is not None and shared_bytes != kernel.shared + kernel.dynamic:
        raise ValueError(f"{name} used {shared_bytes} bytes of shared memory a block, "
                         f"and its row in the table says {kernel.shared + kernel.dynamic}")
