"""The CuPy backend: CUDA arrays, and kernels of our own for what CuPy lacks since it gave up cuDNN.

Importing this imports neither CuPy nor a kernel; both come with the first array.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

import numpy as np

from cnnkit.backends import Backend, dtype_name, place

CUDA_MEMORY = (2, 13)  # the DLPack device types that CuPy takes: CUDA's device memory and managed memory


@functools.cache
def _available() -> bool | str:
    if importlib.util.find_spec("cupy") is None:
        return "cupy is not installed (pip install 'cnnkit[cuda13]', or cuda12)"
    try:
        import cupy
    except Exception as error:  # a broken installation fails in any way
        return f"cupy could not be imported: {error}"
    if not cupy.cuda.is_available():
        return "cupy finds no CUDA driver or device"
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:  # CuPy imports without it, and fails at the first kernel
        major = cupy.cuda.runtime.runtimeGetVersion() // 1000
        return (f"NVRTC, which compiles the kernels, cannot be loaded ({error}): "
                f"pip install 'cnnkit[cuda{major}]', or 'cupy-cuda{major}x[ctk]'")
    return True


def _bytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


class CupyBackend(Backend):
    """CuPy arrays, on the device that ``cupy:1`` names or on the current one."""

    name = distribution = "cupy"
    array_types = ("cupy:ndarray", "cupy._core.core:ndarray")
    switches = True   # CuPy works on its current device, wherever the arrays are
    shares = CUDA_MEMORY
    c_ordered = True  # a + b of two arrays that have their channels last has them second

    def available(self) -> bool | str:
        return _available()

    @cached_property
    def namespace(self) -> Any:
        from cnnkit_cupy.namespace import Namespace

        return Namespace()

    @cached_property
    def cuda(self) -> Any:
        """The device that runs kernels."""
        from cnnkit_cupy.device import CupyDevice

        return CupyDevice()

    @cached_property
    def dtypes(self) -> tuple[str, ...]:
        """Names of CuPy's dtypes; with ml_dtypes installed, bfloat16 is one."""
        return (*super().dtypes, *(["bfloat16"] if importlib.util.find_spec("ml_dtypes") else []))

    def dtype(self, dtype: Any) -> Any:
        if dtype_name(dtype) == "bfloat16" and "bfloat16" in self.dtypes:
            import ml_dtypes

            return np.dtype(ml_dtypes.bfloat16)
        return super().dtype(dtype)

    def asarray(self, data: Any, dtype: Any = None, device: Any = None) -> Any:
        import cupy

        device, elsewhere = self.locate(device), False
        if self.owns(data):
            device = data.device if device is None else device
            if elsewhere := device != data.device:
                with data.device:
                    cupy.cuda.get_current_stream().synchronize()
        elif getattr(data, "__dlpack_device__", lambda: (1, 0))()[0] in CUDA_MEMORY:
            data, elsewhere = cupy.from_dlpack(data), True
        else:
            data = self.hosted(data)
        with self.on(device):
            array = cupy.array(data, dtype=None if dtype is None else self.dtype(dtype))
            if elsewhere:  # another stream may write to the source once this returns
                cupy.cuda.get_current_stream().synchronize()
            return array

    def one(self, like: Any) -> Any:
        """A scalar 1, made once for each dtype and device."""
        import cupy

        found = self._ones.get(key := (like.dtype, like.device.id))
        if found is None:
            with like.device:
                found = self._ones[key] = cupy.ones((), like.dtype)
                cupy.cuda.get_current_stream().synchronize()  # other streams will read it
        return found

    @cached_property
    def _ones(self) -> dict[tuple, Any]:
        return {}

    def upload(self, data: np.ndarray, dtype: Any = None, device: Any = None) -> Callable[[], Any]:
        """Begin to copy a host array by pinned memory on a copy stream; see `cnnkit_cupy.upload`."""
        import cupy

        data = np.asarray(data, None if dtype is None else self.dtype(dtype))
        if not data.nbytes:
            return super().upload(data, None, device)
        device = cupy.cuda.Device(self.locate(device))
        if device.id not in self._uploaders:
            from cnnkit_cupy.upload import Uploader

            self._uploaders.setdefault(device.id, Uploader(device))
        return self._uploaders[device.id].upload(data)

    @cached_property
    def _uploaders(self) -> dict[int, Any]:
        return {}

    def has_links(self) -> bool:
        try:
            from cupy.cuda import nccl
        except ImportError:
            return False
        return bool(nccl.available)

    def links(self, rank: int, size: int, share: Callable[[bytes | None], bytes], like: Any) -> Any:
        """NCCL; see `cnnkit_cupy.nccl`."""
        from cnnkit_cupy.nccl import links

        return links(rank, size, share, like, self.cuda)

    def memory(self) -> str:
        import cupy

        with self._chosen() as device:
            free, total = device.mem_info
            available = f"{_bytes(free)} of the device's {_bytes(total)} are free"
            # the pool that new arrays come from: a method of it is the allocator of this thread
            pool: Any = getattr(cupy.cuda.get_allocator(), "__self__", None)
            if not hasattr(pool, "used_bytes"):
                return f"arrays come from no pool; {available}"
            limit = pool.get_limit()
            return (f"arrays use {_bytes(pool.used_bytes())} of {_bytes(pool.total_bytes())} that "
                    f"the pool holds{f', at most {_bytes(limit)}' if limit else ''}; {available}")

    def memory_bytes(self) -> tuple[int, int]:
        import cupy

        with self._chosen():
            pool: Any = getattr(cupy.cuda.get_allocator(), "__self__", None)
            return (pool.used_bytes(), pool.total_bytes()) if hasattr(pool, "used_bytes") else (0, 0)

    def to_numpy(self, array: Any) -> np.ndarray:
        with array.device:  # so that it waits for that device's stream
            return array.get()

    def devices(self) -> dict[str, Any]:
        import cupy

        return {str(n): cupy.cuda.Device(n) for n in range(cupy.cuda.runtime.getDeviceCount())}

    def on(self, device: Any) -> AbstractContextManager:
        import cupy

        return cupy.cuda.Device(device)

    def _chosen(self) -> Any:
        """The device that `use` chose, or CuPy's current one."""
        import cupy

        backend, device = place(None)
        return cupy.cuda.Device(device if backend is self else None)

    def warm_up(self, model: Any, shape: tuple[int, ...], batch: int, training: bool = True,
                dtype: str | None = None) -> str:
        from cnnkit_cupy import capability, gpus, warming

        if (reason := capability.served()) is not True:
            return f"nothing to compile: {reason}"
        place, device = self._chosen().id, self.cuda
        like = self.asarray([0.0], device=str(place))
        gpu = gpus.of(device, like)
        names = warming.instances(gpu, model, shape, batch, training, dtype)
        return str(warming.compile_ahead(device, place, names))

    def synchronize(self) -> None:
        self._chosen().synchronize()

    def device(self) -> str:
        import cupy

        return cupy.cuda.runtime.getDeviceProperties(self._chosen().id)["name"].decode()

    def version(self) -> str:
        import cupy

        return cupy.__version__


backend = CupyBackend()
