"""Launching: the table of kernels, and what runs them with arguments that fit.

A `Launch` has its grid and its numbers, packed once; only its arrays differ from call to call. So a training
step, whose shapes repeat, costs a look into a table: `launch` looks for a `Launch` by its values, and what
`planned` decorates holds launches for each set of layouts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import Any

from cnnkit_cupy.parameters import (
    In,
    InTable,
    Numbers,
    Out,
    OutTable,
    Scalar,
    Struct,
    contiguous,
    strides,
)
from cnnkit_cupy.sources import source

__all__ = ["KERNELS", "In", "Kernel", "Launch", "Out", "Scalar", "SteadyLaunch", "Struct", "contiguous",
           "declare", "launch", "planned", "strides"]

LARGEST_GRID = (2**31 - 1, 65535, 65535)
REMEMBERED = 4096  # layouts of one launch, launches of one kernel; more are checked and packed anew


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
    def by_value(self) -> tuple[bool, ...]:
        """For each parameter, whether it is a number or a structure, and no array."""
        return tuple([isinstance(p, (Numbers, Scalar, Struct)) for p in self.parameters])

    @cached_property
    def tables(self) -> tuple[int, ...]:
        """For each array or table among the parameters, how many arrays a table has, and 0 for an array."""
        return tuple([p.count if isinstance(p, (InTable, OutTable)) else 0
                      for p, by_value in zip(self.parameters, self.by_value) if not by_value])

    @cached_property
    def launches(self) -> dict[tuple, Launch]:
        """The launches that `launch` has prepared, by device, grid and values."""
        return {}

    def label(self, position: int) -> str:
        """How errors name an argument."""
        return f"{self.name}, argument {position}"

    @cached_property
    def written(self) -> list[bool]:
        """For each parameter, whether it is an array that the kernel writes."""
        return [isinstance(p, Out) for p in self.parameters]


KERNELS: dict[str, Kernel] = {}
_instances: dict[str, tuple[str, ...]] = {}  # by module, filled by `instances`
_plans: list[dict] = []                      # what each function that `planned` decorates remembers


def declare(*kernels: Kernel, ops: tuple[str, ...]) -> None:
    """Add instances to the table, and which ops launch them."""
    KERNELS.update((k.name, replace(k, ops=ops)) for k in kernels)
    _instances.clear()
    forget()


def instances(module: str) -> tuple[str, ...]:
    """The names of all instances of one source."""
    if module not in _instances:
        _instances[module] = tuple(k.name for k in KERNELS.values() if k.module == module)
    return _instances[module]


class Launch:
    """A launch of the kernel called `name`, complete but for the arrays; an empty grid runs nothing.

    Parameters
    ----------
    device : cnnkit_cupy.contracts.Device
    name : str
    grid : (int, int, int)
    *values : int, float, mapping or tuple
        What the kernel takes by value, in the order of its parameters.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If the grid or a value is not what the kernel declares: their number, fields, kind or range. The
        call raises them for arrays: their number, dtype, contiguity or alignment.
    """

    __slots__ = ("_fitting", "_template", "device", "grid", "kernel", "leading", "tail")

    def __init__(self, device: Any, name: str, grid: tuple[int, int, int], *values: Any):
        self.device, self.grid, self.kernel = device, grid, KERNELS[name]
        kernel, (x, y, z) = self.kernel, grid
        if len(values) != sum(kernel.by_value):
            raise TypeError(f"{name} takes {sum(kernel.by_value)} numbers and structures; got {len(values)}")
        if not (0 <= x <= LARGEST_GRID[0] and 0 <= y <= LARGEST_GRID[1] and 0 <= z <= LARGEST_GRID[2]):
            raise ValueError(f"{name}: a grid has from 0 to {LARGEST_GRID} blocks; got {grid}")
        given = iter(values)
        self._template = [device.by_value(p.pack(kernel.label(i), kernel.module, next(given))) if packed
                          else None for i, (p, packed) in enumerate(zip(kernel.parameters, kernel.by_value))]
        # most kernels take their arrays first: then the values are appended
        count = len(values)
        self.leading = not any(kernel.by_value[:len(kernel.parameters) - count])
        self.tail = tuple(self._template[len(kernel.parameters) - count:])
        self._fitting: set[tuple] = set()  # the layouts of all arrays together

    def __call__(self, *arrays: Any) -> None:
        kernel, launch = self.kernel, self._complete(arrays)
        if 0 in self.grid:
            return
        used = self.device.run(*launch)
        if used is not None and used != kernel.shared + kernel.dynamic:
            raise ValueError(f"{kernel.name} used {used} bytes of shared memory a block, "
                             f"and its row in the table says {kernel.shared + kernel.dynamic}")

    def prepared(self, *arrays: Any) -> Sequence[Callable]:
        """The launch as calls without arguments; see `cnnkit_cupy.contracts.Device`."""
        launch = self._complete(arrays)
        return () if 0 in self.grid else self.device.prepared(*launch)

    def _complete(self, arrays: tuple) -> tuple:
        """What the device takes for a launch with these arrays."""
        device, kernel = self.device, self.kernel
        if not self.fits(arrays):
            self._check(arrays)
        if any(kernel.tables):
            arrays = tuple([device.table(a, count) if count else a
                            for a, count in zip(arrays, kernel.tables)])
        if self.leading:
            arguments = arrays + self.tail
        else:
            given = iter(arrays)
            arguments = tuple([packed if by_value else next(given)
                               for packed, by_value in zip(self._template, kernel.by_value)])
        return (source(kernel.module), instances(kernel.module), kernel.name, self.grid, kernel.block,
                arguments, kernel.written, kernel.dynamic)

    def fits(self, arrays: tuple) -> bool:
        """Whether arrays of these layouts have been checked before."""
        return tuple(map(self.device.layout, self._every(arrays))) in self._fitting

    def _every(self, arrays: tuple) -> tuple:
        """The arrays, those of tables one by one."""
        if not any(self.kernel.tables):
            return arrays
        return tuple([a for given in arrays for a in (given if isinstance(given, tuple) else (given,))])

    def revalue(self, value: Any) -> None:
        """Change the kernel's last parameter, which it takes by value."""
        kernel, position = self.kernel, len(self.kernel.parameters) - 1
        packed = kernel.parameters[position].pack(kernel.label(position), kernel.module, value)
        self._template[position] = self.device.by_value(packed)
        self.tail = tuple(self._template[len(kernel.parameters) - len(self.tail):])

    def _check(self, arrays: tuple) -> None:
        """Raise an error if an array is not what the kernel declares, or if they are on several devices."""
        kernel, device = self.kernel, self.device
        positions = [i for i, by_value in enumerate(kernel.by_value) if not by_value]
        if len(arrays) != len(positions):
            raise TypeError(f"{kernel.name} takes {len(positions)} arrays; got {len(arrays)}")
        for i, given, count in zip(positions, arrays, kernel.tables):
            if count and not (isinstance(given, tuple) and len(given) <= count):
                raise TypeError(f"{kernel.label(i)} must be a tuple of at most {count} arrays")
            for array in given if count else (given,):
                kernel.parameters[i].check(kernel.label(i), array,
                                           0 if array is None else device.address(array))
        every = self._every(arrays)
        if len(places := {device.layout(a)[-1] for a in every if a is not None}) > 1:
            raise ValueError(f"{kernel.name} got arrays of several devices, "
                             f"{', '.join(f'cupy:{n}' for n in sorted(places))}; move them "
                             "to one with Tensor.to")
        if len(self._fitting) >= REMEMBERED:
            self._fitting.clear()
        self._fitting.add(tuple(map(device.layout, every)))


class SteadyLaunch(Launch):
    """A launch whose arrays have the layouts of its first call ever after, so that only that one is checked.

    What `planned` decorates makes these: the layouts are what it is looked up by.
    """

    __slots__ = ()

    def fits(self, arrays: tuple) -> bool:
        return bool(self._fitting)


def planned(plan: Callable) -> Callable:
    """Remember what ``plan(device, arrays, *settings)`` returns, by the arrays' layouts and the settings.

    A plan holds launches and numbers, and none of the arrays, because other arrays of these layouts will get
    it; what it allocates must have shapes and orders that follow from them.
    """
    plans: dict[tuple, Any] = {}
    _plans.append(plans)

    @wraps(plan)
    def remembered(device: Any, arrays: Sequence, *settings: Any) -> Any:
        key = (device, settings, *map(device.layout, arrays))
        found = plans.get(key)
        if found is None:
            if len(plans) >= REMEMBERED:
                plans.clear()
            found = plans[key] = plan(device, arrays, *settings)
        return found
    return remembered


def forget() -> None:
    """Let everything that `planned` decorates plan anew."""
    for plans in _plans:
        plans.clear()


def launch(device: Any, name: str, grid: tuple[int, int, int], *arguments: Any) -> None:
    """Run the kernel called `name` on `device`: a `Launch` of these arguments, remembered by its values.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not what the kernel declares: the number of arguments, dtype, contiguity,
        alignment, or range.
    """
    kernel = KERNELS[name]
    if len(arguments) != len(kernel.by_value):
        raise TypeError(f"{name} takes {len(kernel.parameters)} arguments; got {len(arguments)}")
    arrays: list = []
    values: list = []
    key: Any = [device, *grid]
    for argument, by_value in zip(arguments, kernel.by_value):
        if by_value:
            values.append(argument)
            if isinstance(argument, dict):
                key += argument
                key += argument.values()
            elif isinstance(argument, (tuple, list)):
                key += argument
            else:
                key.append(argument)
        else:
            arrays.append(argument)
    launches = kernel.launches
    prepared = launches.get(key := tuple(key))
    if prepared is None:
        if len(launches) >= REMEMBERED:
            launches.clear()
        prepared = launches[key] = Launch(device, name, grid, *values)
    prepared(*arrays)
