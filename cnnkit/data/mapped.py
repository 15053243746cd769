"""Rows of an array that is mapped from a file, read so that a file that becomes shorter is an error.

A program that touches a mapped page which its file no longer has is ended by the operating system (SIGBUS).
So rows are read from the file itself, and the mapping only says where they are.
"""

from __future__ import annotations

import io
import mmap
import os
import threading
import weakref
from itertools import pairwise
from typing import Any

import numpy as np

from cnnkit.data.filenames import printable
from cnnkit.storage import FormatError, open_regular

__all__ = ["MappedRows"]


class MappedRows:
    """The rows of a memory map.

    Parameters
    ----------
    array : memmap
        Or a view of one with its axes in another order. Where a row is not one piece of the file (Fortran's
        order), or the map is not of a file with a name, rows are taken from memory, after a look at the
        file's size.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/x.npy", np.arange(6).reshape(3, 2))
    ...     MappedRows(np.load(f"{folder}/x.npy", mmap_mode="r")).take([2, 0]).tolist()
    [[4, 5], [0, 1]]
    """

    def __init__(self, array: np.memmap):
        self.array = array
        self._map = _mapping(array)
        self._lock = threading.Lock()
        self._file: Any = None
        name, row = array.filename, array[:1]
        axes = sorted(range(1, array.ndim), key=lambda axis: -array.strides[axis])
        self._axes = (0, *axes)
        pieces = row.transpose(self._axes).flags.c_contiguous and array.strides[0] > 0
        if self._map is not None and name is not None and array.mode != "c" and pieces and len(array):
            first = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY  # of the map in the file
            begin = np.frombuffer(self._map, np.uint8).ctypes.data
            self._start = first + array.__array_interface__["data"][0] - begin
            with open_regular(name) as file:
                if os.fstat(file.fileno()).st_size == self._map.size():  # otherwise it is another file by now
                    handle = os.dup(file.fileno())
                    self._file = io.FileIO(handle, closefd=False)
                    weakref.finalize(self, os.close, handle)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return MappedRows, (self.array,)

    def take(self, indices: Any) -> np.ndarray:
        """A copy of some rows.

        Raises
        ------
        FormatError
            If the file has become shorter than it was when it was mapped.
        """
        if self._file is None:
            if self._map is not None and self._map.size() < len(self._map):
                self._shorter(self._map.size())
            return np.array(self.array[indices], subok=False)
        chosen = np.asarray(indices)
        if chosen.dtype.kind == "b":
            chosen = np.flatnonzero(chosen)
        count = len(self.array)
        if chosen.size and not -count <= int(chosen.min()) <= int(chosen.max()) < count:
            raise IndexError(f"rows {chosen.min()} to {chosen.max()} of {count}")
        chosen = chosen.astype(np.int64).reshape(-1) % count
        shape = tuple(self.array.shape[axis] for axis in self._axes[1:])
        rows = np.empty((len(chosen), *shape), self.array.dtype)
        one, stride = rows[:1].nbytes, self.array.strides[0]
        if one and rows.size:
            target = memoryview(rows.reshape(-1).view(np.uint8).data)
            breaks = np.flatnonzero(np.diff(chosen) != 1) + 1 if stride == one else np.arange(1, len(chosen))
            bounds = [0, *breaks.tolist(), len(chosen)]
            with self._lock:
                for begin, end in pairwise(bounds):
                    self._read(target[begin * one:end * one], self._start + int(chosen[begin]) * stride)
        return rows.transpose(np.argsort(self._axes))

    def _read(self, target: memoryview, position: int) -> None:
        self._file.seek(position)
        filled = 0
        while filled < len(target):
            count = self._file.readinto(target[filled:])
            if not count:
                self._shorter(os.fstat(self._file.fileno()).st_size)
            filled += count

    def _shorter(self, size: int) -> None:
        name = printable(self.array.filename or "the mapped file")
        raise FormatError(f"{name} has become shorter while it is read, {size:,} bytes: somebody is writing "
                          "it. Begin again when it is whole, or read it into memory (mmap_mode=None)")


def _mapping(array: Any) -> mmap.mmap | None:
    """The map that an array is a view of."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None
