"""The CuPy backend: CUDA arrays, and kernels of our own for what CuPy lacks since it gave up cuDNN.

Importing this imports neither CuPy nor a kernel; both come with the first array.
"""

from __future__ import annotations

import functools
import importlib.util
from functools import cached_property
from typing import Any

import numpy as np

from cnnkit.backends import ArrayAPIBackend, dtype_name


@functools.cache
def _available() -> bool | str:
    if importlib.util.find_spec("cupy") is None:
        return "cupy is not installed (pip install cupy-cuda12x or cupy-cuda13x)"
    try:
        import cupy
    except Exception as error:  # a broken installation fails in any way
        return f"cupy could not be imported: {error}"
    return True if cupy.cuda.is_available() else "cupy finds no CUDA driver or device"


class CupyBackend(ArrayAPIBackend):
    """CuPy arrays, on the device that ``cupy:1`` names or on the current one."""

    def available(self) -> bool | str:
        return _available()

    @cached_property
    def cuda(self) -> Any:
        """The device that runs kernels."""
        from cnnkit_cupy.device import CupyDevice

        return CupyDevice()

    @cached_property
    def dtypes(self) -> tuple[str, ...]:
        return (*super().dtypes, *(("bfloat16",) if importlib.util.find_spec("ml_dtypes") else ()))

    def dtype(self, dtype: Any) -> Any:
        if dtype_name(dtype) == "bfloat16" in self.dtypes:
            return importlib.import_module("ml_dtypes").bfloat16
        return super().dtype(dtype)

    def asarray(self, data: Any, dtype: Any = None, device: Any = None) -> Any:
        import cupy

        with cupy.cuda.Device(int(device) if isinstance(device, str) else device):
            return cupy.array(data if self.owns(data) else np.asarray(data), dtype=None if dtype is None else self.dtype(dtype))

    def to_numpy(self, array: Any) -> np.ndarray:
        return array.get()

    def synchronize(self) -> None:
        import cupy

        cupy.cuda.get_current_stream().synchronize()

    def device(self) -> str:
        import cupy

        return cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()

    def version(self) -> str:
        import cupy

        return cupy.__version__


backend = CupyBackend("cupy", "array_api_compat.cupy", ("cupy:ndarray", "cupy._core.core:ndarray"), "cupy")
