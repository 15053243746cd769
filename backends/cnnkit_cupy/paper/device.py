"""The device on paper: a launch is a note. See `cnnkit_cupy.contracts.Device`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from cnnkit_cupy.paper.array import Array, Noted

__all__ = ["PaperDevice"]


class PaperDevice:
    """Notes launches."""

    def __init__(self, paper: Any):
        self.paper = paper
        self.notes: list[Noted] | None = None

    def note(self, name: str, read: Iterable, written: Iterable) -> None:
        """An op that the array library launches."""
        if self.notes is not None:
            self.notes.append(Noted(name, sum(getattr(a, "nbytes", 0) for a in read),
                                    sum(a.nbytes for a in written)))

    def empty(self, shape: tuple[int, ...], dtype: Any, like: Any = None,
              channels_last: bool = False) -> Array:
        """An array in C order, or with its channels last in memory."""
        if channels_last:
            n, c, h, w = shape
            return self.paper.array(np.zeros((n, h, w, c), np.dtype(dtype)).transpose(0, 3, 1, 2))
        return self.paper.untouched(shape, dtype)

    def empties(self, shapes: Sequence[tuple[int, ...]], dtype: Any, like: Any = None) -> list[Array]:
        """Arrays in C order."""
        return [self.paper.untouched(shape, dtype) for shape in shapes]

    def counters(self, count: int, like: Any = None) -> Array:
        """Zeros of uint32."""
        return self.paper.untouched((count,), "uint32")

    def address(self, array: Array) -> int:
        """Arrays begin where vectors may; a part of one as far behind as it lies."""
        base = array.host
        while isinstance(base.base, np.ndarray):
            base = base.base
        return array.host.__array_interface__["data"][0] - base.__array_interface__["data"][0]

    def layout(self, array: Array | None) -> tuple | None:
        """What decides whether a kernel takes the array."""
        if array is None:
            return None
        return array.dtype, array.shape, array.strides, self.address(array) % 256, None

    def capability(self, like: Any = None) -> int:
        """That of the GPU."""
        return self.paper.gpu.arch

    def multiprocessors(self, like: Any = None) -> int:
        """That many."""
        return self.paper.gpu.multiprocessors

    def table(self, arrays: tuple[Array | None, ...], count: int) -> tuple[Array | None, ...]:
        """Several arrays: as they are."""
        return arrays

    def by_value(self, packed: np.ndarray) -> np.ndarray:
        """A number or a structure: as it is."""
        return packed

    def run(self, source: str, kernels: tuple[str, ...], name: str,
            grid: tuple[int, int, int], block: tuple[int, int, int],
            arguments: Sequence, written: Sequence[bool], dynamic: int = 0) -> None:
        """Note the launch."""
        if self.notes is None:
            return
        bytes_read = bytes_written = 0
        values: dict[str, int] = {}
        for given, writes in zip(arguments, written):
            if isinstance(given, np.ndarray) and given.dtype.names:  # a structure by value
                values = {field: given[field].item() for field in given.dtype.names if given[field].size == 1
                          } | values
            for array in given if isinstance(given, tuple) else (given,):
                if not isinstance(array, Array):
                    continue
                if writes:
                    bytes_written += array.nbytes
                else:
                    bytes_read += array.nbytes
        self.notes.append(Noted(name, bytes_read, bytes_written, grid, block, dynamic, values))

    def prepared(self, *launch: Any) -> Sequence[Callable]:
        """The note that `run` would make, as a call."""
        return (partial(self.run, *launch),)

    def is_held(self, arrays: Sequence[Array], places: int) -> bool:
        """On paper nobody keeps a parameter for its numbers."""
        return False

    def renewed(self, arrays: Sequence[Array]) -> list[Array]:
        """The arrays: on paper they have no numbers that could change."""
        return list(arrays)
