"""The kernel tables: the same host code and the same .cu files, on CuPy's arrays and on the emulator's."""

from __future__ import annotations

from collections.abc import Mapping

from cnnkit.backends import KernelTable
from cnnkit_cupy import backend


def kernels() -> Mapping:
    """Every op that has a CUDA kernel; imported when the first array of a device asks."""
    from cnnkit_cupy import conv, pool

    return {
        "avg_pool2d": pool.avg_pool2d,
        "conv2d": conv.conv2d,
        "max_pool2d": pool.max_pool2d,
        "max_pool2d_with_indices": pool.max_pool2d_with_indices,
    }


table = KernelTable("cupy", "cupy", kernels, available=backend.available)
emulated = KernelTable("emulator", "emulator", kernels)
