"""The CUDA device through CuPy: memory from its pool, kernels from `cupy.RawModule`.

No GPU has run this file yet. `cnnkit_cupy.contracts.Device` says what host code needs of a device; the
emulator's has the same members.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from sys import getrefcount
from threading import get_ident
from typing import Any

import numpy as np

from cnnkit_cupy import autotune
from cnnkit_cupy.launcher import KERNELS
from cnnkit_cupy.noting import local
from cnnkit_cupy.sources import source as source_of

Array = Any
OPTIONS = ("-std=c++17",)
STATIC_LIMIT = 48 << 10  # bytes of shared memory that a block gets without asking for more
ALIGNMENT = 256          # bytes: no kernel needs more
COUNTERS = 1024          # of a stream, at first
PER_THREAD = 2           # the address of CUDA's default stream of each thread
IN_A_LIST = next(map(getrefcount, [object()]))  # the count of an object that one list alone has


class CupyDevice:
    """Launches kernels where their arrays are, on CuPy's current stream there."""

    def __init__(self) -> None:
        import cupy
        from cupy.cuda.function import CPointer

        self._loaded: dict[tuple[str, str, int], Any] = {}  # by name, source and device
        self._counters: dict[tuple[int, int, int], list[Array]] = {}  # by device, stream and thread
        self._multiprocessors: dict[int, int] = {}
        self._zeros, self._stream = cupy.zeros, cupy.cuda.get_current_stream
        self._array, self._device, self._current = (cupy.ndarray, cupy.cuda.Device,
                                                    cupy.cuda.runtime.getDevice)

        autotune.load()  # what was measured on this machine decides about tiles

        class Value(CPointer):
            """The address of a packed value, which stays alive with it: a launch passes it as it is.

            For a NumPy array CuPy would ask for its `__array_interface__` at every launch, which costs more
            than the launch.
            """

            def __init__(self, packed: np.ndarray):
                super().__init__(packed.ctypes.data)
                self.packed = packed

        class Table(Value):
            """The addresses of arrays on one device."""

            def __init__(self, arrays: tuple[Array | None, ...], count: int):
                addresses = [0 if a is None else a.data.ptr for a in arrays]
                super().__init__(np.array(addresses + [0] * (count - len(arrays)), np.uint64))
                self.arrays = arrays
                self.place = next((a.data.device_id for a in arrays if a is not None), None)
        self.by_value, self.table = Value, Table

    def empty(self, shape: tuple[int, ...], dtype: Any, like: Array, channels_last: bool = False) -> Array:
        """An uninitialised array on the device of `like`, in C order or with its channels last in memory."""
        place = like.data.device_id
        if place != self._current():
            with self._device(place):
                return self.empty(shape, dtype, like, channels_last)
        if channels_last:
            _, c, h, w = shape
            size = np.dtype(dtype).itemsize
            array = self._array(shape, dtype, None, (size * h * w * c, size, size * w * c, size * c))
        else:
            array = self._array(shape, dtype)
        if (noting := local.noting) is not None:
            noting.allocated(array)
        return array

    def empties(self, shapes: Sequence[tuple[int, ...]], dtype: Any, like: Array) -> list[Array]:
        """Uninitialised arrays in C order on the device of `like`, in one piece of memory."""
        size, starts, end = np.dtype(dtype).itemsize, [], 0
        for shape in shapes:
            starts.append(end)
            end += -(-size * prod(shape) // ALIGNMENT) * ALIGNMENT
        memory = self.empty((end,), "uint8", like).data
        arrays = [self._array(shape, dtype, memory + start) for shape, start in zip(shapes, starts)]
        if (noting := local.noting) is not None:
            for array in arrays:
                noting.allocated(array)
        return arrays

    def counters(self, count: int, like: Array) -> Array:
        """Zeros of uint32, of the current stream; see `cnnkit_cupy.contracts.Device`.

        Outgrown ones stay, for a CUDA graph may use them.
        """
        if (noting := local.noting) is not None:
            return noting.counters(count, like)
        place = like.data.device_id
        if place != self._current():
            with self._device(place):
                return self.counters(count, like)
        stream = self._stream().ptr
        key = place, stream, get_ident() if stream == PER_THREAD else 0
        found = self._counters.setdefault(key, [])
        if not found or found[-1].size < count:
            found.append(self._zeros(max(COUNTERS, 2 * count), np.uint32))
        return found[-1]

    def address(self, array: Array) -> int:
        """Where the array begins."""
        return array.data.ptr

    def layout(self, array: Array | None) -> tuple | None:
        """What decides whether a kernel takes the array; see `cnnkit_cupy.contracts.Device`."""
        if array is None:
            return None
        data = array.data
        return array.dtype, array.shape, array.strides, data.ptr % ALIGNMENT, data.device_id

    def capability(self, like: Array) -> int:
        """The compute capability of the device of `like`; see `cnnkit_cupy.contracts.Device`."""
        return int(self._device(like.data.device_id).compute_capability)

    def multiprocessors(self, like: Array) -> int:
        """How many the device of `like` has; see `cnnkit_cupy.contracts.Device`."""
        place = like.data.device_id
        if place not in self._multiprocessors:
            self._multiprocessors[place] = int(self._device(place).attributes["MultiProcessorCount"])
        return self._multiprocessors[place]

    def loaded(self, name: str, place: int) -> bool:
        """Whether an instance of the table is ready on the device with this number."""
        return (name, source_of(KERNELS[name].module), place) in self._loaded

    def load(self, name: str, place: int) -> None:
        """Make an instance of the table ready, in any thread: compile it, or take it from the disk."""
        with self._device(place):
            self._function(source_of(KERNELS[name].module), name, place)

    def run(self, source: str, kernels: tuple[str, ...], name: str,
            grid: tuple[int, int, int], block: tuple[int, int, int],
            arguments: Sequence, written: Sequence[bool], dynamic: int = 0) -> None:
        """Launch the kernel called `name` of this source; a device compiles it at its first launch.

        Raises
        ------
        ValueError
            If the device is older than the kernel.
        RuntimeError
            If it does not compile; the message is the compiler's, with file, line, and the line itself.
        """
        place = self._place(arguments)
        if place != self._current():
            with self._device(place):
                return self.run(source, kernels, name, grid, block, arguments, written, dynamic)
        function = self._function(source, name, place)
        function(grid, block, arguments, shared_mem=dynamic)
        if (noting := local.noting) is not None:
            noting.launched(name, function, grid, block, dynamic, place, arguments)
        return None

    def prepared(self, source: str, kernels: tuple[str, ...], name: str,
                 grid: tuple[int, int, int], block: tuple[int, int, int],
                 arguments: Sequence, written: Sequence[bool], dynamic: int = 0) -> Sequence[Callable]:
        """The launch that `run` would make, as calls of CuPy's compiled functions."""
        place = self._place(arguments)
        device = self._device(place)
        with device:
            function = self._function(source, name, place)
        return (device.__enter__, partial(function, grid, block, tuple(arguments), shared_mem=dynamic),
                partial(device.__exit__, None, None, None))

    def _place(self, arguments: Sequence) -> int:
        """The number of the device that a launch's arrays are on."""
        for argument in arguments:
            if isinstance(argument, self._array):
                return argument.data.device_id
            if isinstance(argument, self.table) and argument.place is not None:
                return argument.place
        raise TypeError("a launch without an array")

    def _function(self, source: str, name: str, place: int) -> Any:
        """A kernel, loaded on the current device, whose number is `place`."""
        function = self._loaded.get((name, source, place))
        if function is None:
            function = self._loaded[name, source, place] = _load(source, name, self._device(place))
        return function

    def is_held(self, arrays: Sequence[Array], places: int) -> bool:
        """Whether one of these arrays is in more than so many places; a view refers to its array."""
        return max(map(getrefcount, arrays)) > IN_A_LIST - 1 + places

    def renewed(self, arrays: Sequence[Array]) -> list[Array]:
        """Other objects for the memory of these arrays, which are in C order."""
        return [self._array(a.shape, a.dtype, a.data) for a in arrays]


def _load(source: str, name: str, device: Any) -> Any:
    """One instance, compiled for the current device or taken from CuPy's cache on disk.

    Each instance is a module: one compiles in a third of a second at most, all of a file in several seconds.
    """
    import cupy

    kernel, capability = KERNELS[name], int(device.compute_capability)
    if kernel.arch > capability:
        raise ValueError(f"{name} needs a GPU of compute capability {kernel.arch / 10}, "
                         f"and cupy:{device.id} has {capability / 10}")
    try:
        function = cupy.RawModule(code=source, options=OPTIONS, name_expressions=(name,)).get_function(name)
    except cupy.cuda.compiler.CompileException as error:
        raise RuntimeError(f"{kernel.module}.cu does not compile for sm_{capability}, "
                           f"instance {name}:\n{error}") from error
    if kernel.shared + kernel.dynamic > STATIC_LIMIT:
        function.max_dynamic_shared_size_bytes = kernel.dynamic
    return function
