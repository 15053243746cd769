"""The CUDA device through CuPy: memory from its pool, kernels from `cupy.RawModule`.

No GPU has run this file yet. `cnnkit_cupy.contracts.Device` says what host code needs of a device; the
emulator's has the same members.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit_cupy.launcher import KERNELS

Array = Any
OPTIONS = ("-std=c++17",)
STATIC_LIMIT = 48 << 10  # bytes of shared memory that a block gets without asking for more


class CupyDevice:
    """Launches kernels where their arrays are, on CuPy's current stream there."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, str, int], Any] = {}  # by name, source and device

    def empty(self, shape: tuple[int, ...], dtype: Any, like: Array, channels_last: bool = False) -> Array:
        """An uninitialised array on the device of `like`, in C order or with its channels last in memory."""
        import cupy

        with like.device:
            if channels_last:
                n, c, h, w = shape
                return cupy.empty((n, h, w, c), dtype).transpose(0, 3, 1, 2)
            return cupy.empty(shape, dtype)

    def address(self, array: Array) -> int:
        """Where the array begins."""
        return array.data.ptr

    def run(self, source: str, kernels: tuple[str, ...], name: str,
            grid: tuple[int, int, int], block: tuple[int, int, int],
            arguments: Sequence, written: Sequence[bool], dynamic: int = 0) -> None:
        """Launch the kernel called `name` of this source; a device compiles it at its first launch.

        Raises
        ------
        ValueError
            If the arrays are on several devices, or the device is older than the kernel.
        RuntimeError
            If it does not compile; the message is the compiler's, with file, line, and the line itself.
        """
        import cupy

        arrays = [a for a in arguments if isinstance(a, cupy.ndarray)]
        if len(places := {a.data.device_id for a in arrays}) > 1:
            raise ValueError(f"{name} got arrays of several devices, "
                             f"{', '.join(f'cupy:{n}' for n in sorted(places))}; move them "
                             "to one with Tensor.to")
        with arrays[0].device as device:
            function = self._loaded.get((name, source, device.id))
            if function is None:
                function = self._loaded[name, source, device.id] = _load(source, name, device)
            function(grid, block, tuple(arguments), shared_mem=dynamic)


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
