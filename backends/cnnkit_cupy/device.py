"""The CUDA device through CuPy: memory from its pool, kernels from `cupy.RawModule`. No GPU has run this file yet.

A device is what host code needs to launch kernels, and `cnnkit_emulator` has the same three members: ``empty``,
``address``, ``run``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any
OPTIONS = ("-std=c++17",)


class CupyDevice:
    """Launches kernels where their arrays are, on CuPy's current stream."""

    def empty(self, shape: tuple[int, ...], dtype: Any, like: Array, channels_last: bool = False) -> Array:
        """A new array with anything in it, on the device that `like` is on; in C order, or (N, C, H, W) over (N, H, W, C)."""
        import cupy

        with like.device:
            if channels_last:
                n, c, h, w = shape
                return cupy.empty((n, h, w, c), dtype).transpose(0, 3, 1, 2)
            return cupy.empty(shape, dtype)

    def address(self, array: Array) -> int:
        """Where the array begins."""
        return array.data.ptr

    def run(self, source: str, kernels: tuple[str, ...], name: str, grid: tuple[int, int, int], block: tuple[int, int, int],
            arguments: Sequence, written: Sequence[bool]) -> None:
        """Launch the kernel called `name` of this source, which is compiled once with all the instances in `kernels`."""
        import cupy

        first = next(a for a in arguments if isinstance(a, cupy.ndarray))
        with first.device:
            function = _module(source, kernels).get_function(name)
            function(grid, block, tuple(np.uintp(0) if a is None else a for a in arguments))


@functools.cache
def _module(source: str, kernels: tuple[str, ...]) -> Any:
    """The compiled source; CuPy loads it once on each device."""
    import cupy

    return cupy.RawModule(code=source, options=OPTIONS, name_expressions=kernels)
