"""CuPy itself without a driver: modules, options, NVRTC, its cache on disk, and how it packs arguments.

What needs a driver is in test_gpu.py. `tox -e cupy` runs this where there is no GPU.
"""

import contextlib
import ctypes
import re

import numpy as np
import pytest

from cnnkit import backends

cupy = pytest.importorskip("cupy", reason="cupy is not installed: tox -e cupy", exc_type=ImportError)

from cnnkit_cupy.device import OPTIONS, CupyDevice  # noqa: E402
from cnnkit_cupy.launcher import KERNELS  # noqa: E402
from cnnkit_cupy.parameters import Scalar, pack  # noqa: E402
from cnnkit_cupy.sources import source, structure  # noqa: E402
from cnnkit_cupy.static import compiling  # noqa: E402

compiling.table()
MODULES = sorted({kernel.module for kernel in KERNELS.values()})
SMALL = "random_bits"


@pytest.fixture
def compiler(monkeypatch, tmp_path):
    """CuPy's compiler for an architecture that needs no driver; ``compiler.recorded`` has the options."""
    from cupy.cuda import compiler
    from cupy.cuda._compiler_cache import DiskKernelCacheBackend

    class Loaded:
        def load(self, cubin):
            self.cubin = cubin

        def _set_mapping(self, mapping):
            self.mapping = mapping

    recorded, compile_ = [], compiler._NVRTCProgram.compile
    monkeypatch.setattr(compiler, "_get_arch_for_options_for_nvrtc",
                        lambda arch=None: (f"-arch=sm_{arch}", "cubin"))
    monkeypatch.setattr(compiler.function, "Module", Loaded)
    monkeypatch.setattr(compiler, "_kernel_cache_backend", DiskKernelCacheBackend(str(tmp_path)))
    monkeypatch.setattr(compiler._NVRTCProgram, "compile",
                        lambda self, options=(), log=None: recorded.append((self.name_expressions, options))
                        or compile_(self, options))
    try:
        assembled = cupy._core.core.assemble_cupy_compiler_options(OPTIONS)
        compiler._get_nvrtc_version()
    except Exception as error:
        pytest.skip("NVRTC or CUDA's headers are not here (pip install nvidia-cuda-nvrtc "
                    f"nvidia-cuda-runtime): {error}")
    compiler.recorded = recorded

    def load(text, name, arch="75"):
        return compiler._compile_module_with_cache(text, assembled, arch=arch, backend="nvrtc",
                                                   name_expressions=(name,))
    compiler.load_instance = load
    return compiler


@pytest.mark.parametrize("module", MODULES)
def test_a_module_takes_our_source_options_and_names(module):
    names = tuple(name for name, kernel in KERNELS.items() if kernel.module == module)
    loaded = cupy.RawModule(code=source(module), options=OPTIONS, name_expressions=names)
    assert (loaded.code, loaded.options, tuple(loaded.name_expressions)) == (source(module), OPTIONS, names)


def test_cupy_compiles_an_instance_with_the_options_of_the_static_checks_and_keeps_it_on_disk(compiler):
    loaded = compiler.load_instance(source(KERNELS[SMALL].module), SMALL)
    assert loaded.cubin[:4] == b"\x7fELF"
    assert loaded.mapping[SMALL].encode() in loaded.cubin
    (names, options), = [call for call in compiler.recorded if call[0]]
    assert names == (SMALL,)
    assert sorted(o for o in options if not o.startswith("-I")) == sorted(compiling.options(75))
    reloaded = compiler.load_instance(source(KERNELS[SMALL].module), SMALL)
    assert (reloaded.cubin, reloaded.mapping) == (loaded.cubin, loaded.mapping)
    assert len([call for call in compiler.recorded if call[0]]) == 1


def test_an_error_of_the_compiler_has_the_line_of_the_source(compiler):
    name = next(name for name, kernel in KERNELS.items() if kernel.module == "norm")
    with pytest.raises(compiler.CompileException,
                       match=r"norm\.cu\(\d+\): error(.*\n)+.*int broken = mistake;"):
        compiler.load_instance(source("norm") + "\nint broken = mistake;\n", name)


@pytest.fixture
def by_value(monkeypatch):
    """How the backend passes a packed value, on a machine without a driver."""
    monkeypatch.setattr(cupy.cuda.runtime, "getDevice", lambda: 0)
    return CupyDevice().by_value


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "float32"])
def test_cupy_passes_our_numbers_as_they_are(dtype, by_value):
    from cupy.cuda.function import CPointer

    value = by_value(Scalar(dtype).pack("it", "pool", 7))
    assert isinstance(value, CPointer)
    assert np.frombuffer(ctypes.string_at(value.ptr, np.dtype(dtype).itemsize), dtype) == 7


def test_cupy_passes_a_structure_by_the_address_of_its_one_element(by_value):
    packed = pack("it", structure("pool", "Strides"), (1, 2, 3, 4))
    value, bytes_of_it = by_value(packed), packed.tobytes()
    del packed  # the value keeps it alive
    assert ctypes.string_at(value.ptr, len(bytes_of_it)) == bytes_of_it


@pytest.mark.skipif(cupy.cuda.is_available(), reason="there is a GPU: test_gpu.py launches kernels")
def test_without_a_driver_the_backend_says_so_and_only_a_launch_fails():
    row = next(row for row in backends.list() if row.name == "cupy")
    assert (row.available, row.reason) == (False, "cupy finds no CUDA driver or device")
    with pytest.raises(backends.Unavailable, match="cupy finds no CUDA driver or device"):
        backends.get("cupy")
    with pytest.raises((cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError)):
        cupy.RawModule(code=source("random"), options=OPTIONS, name_expressions=(SMALL,)).get_function(SMALL)


def test_the_namespace_has_every_dtype_and_creation_function():
    from cnnkit_cupy.namespace import CREATE, LIKE, Namespace

    namespace = Namespace()
    assert all(callable(getattr(namespace, name))
               for name in (*CREATE, *LIKE, "where", "matmul", "permute_dims"))
    assert namespace.__name__ == "array_api_compat.cupy"
    assert backends.dtype_name(namespace.float16) == "float16"


def test_nccl_is_called_as_the_fake_of_it_is():
    nccl = pytest.importorskip("cupy.cuda.nccl")
    if not nccl.available:
        pytest.skip("NCCL is not installed (pip install nvidia-nccl-cu13)")
    assert (nccl.NCCL_FLOAT32, nccl.NCCL_FLOAT64) == (7, 8)
    name = nccl.get_unique_id()
    assert type(name) is bytes
    signatures = {method: re.search(r"\((.*)\)", getattr(nccl.NcclCommunicator, method).__doc__)[1]
                  for method in ("send", "recv", "allGather", "check_async_error", "abort")}
    assert signatures == {
        "send": "self, intptr_t sendbuf, size_t count, int datatype, int peer, intptr_t stream",
        "recv": "self, intptr_t recvbuf, size_t count, int datatype, int peer, intptr_t stream",
        "allGather": ("self, intptr_t sendbuf, intptr_t recvbuf, size_t count, int datatype, "
                      "intptr_t stream"),
        "check_async_error": "self", "abort": "self"}
    with contextlib.suppress(nccl.NcclError):  # there is no device; arguments of other types raise TypeError
        nccl.NcclCommunicator(1, name, 0)
