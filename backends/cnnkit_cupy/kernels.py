"""The kernel tables: the same host code and the same .cu files, on CuPy's arrays and on the emulator's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from cnnkit.backends import KernelTable
from cnnkit.backends.native import NativeCalls
from cnnkit_cupy import backend, capability
from cnnkit_cupy.serving import every_kernel


def kernels(name: str) -> Mapping:
    """The CUDA kernel of each op, for the backend called `name`; imported for its first array."""
    table = every_kernel(name)
    if name != backend.name or backend.available() is not True:
        return table
    return capability.on_capable_devices(table, capability.too_old())


def available() -> bool | str:
    """``True``, or why the kernels serve no device here."""
    return capability.served() if (reason := backend.available()) is True else reason


def native() -> NativeCalls:
    """What notes launches, so that `cnnkit.capture` can replay them."""
    from cnnkit_cupy.replay import CudaCalls

    return CudaCalls()


table = KernelTable("cupy", "cupy", partial(kernels, "cupy"), available=available, native=native)
emulated = KernelTable("emulator", "emulator", partial(kernels, "emulator"))
