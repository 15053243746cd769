"""CuPy's one module that links CUDA's runtime statically, built anew against the software device.

Its source comes from CuPy's source distribution of the installed version, which pip downloads; nothing of it
is part of this package.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

from cnnkit_softcuda.cache import BuildError, cuda_version, cupy_distribution
from cnnkit_softcuda.libraries import compiled, linked

__all__ = ["runtime_module", "sources"]

MODULE = "cupy_backends/cuda/api/runtime"
CYTHONIZE = """
import sys, Cython
from Cython.Build import cythonize
from setuptools import Extension
module, version = sys.argv[1:]
cythonize([Extension(module.replace("/", "."), [module + ".pyx"], language="c++")], language_level=3,
          compiler_directives={"embedsignature": True, "c_api_binop_methods": True, "binding": False,
                               "warn.deprecated.IF": False, "freethreading_compatible": True},
          compile_time_env={"CUPY_USE_CUDA_PYTHON": False, "CUPY_CUFFT_STATIC": False,
                            "CUPY_CYTHON_VERSION": Cython.__version__, "CUPY_CUDA_VERSION": int(version),
                            "CUPY_HIP_VERSION": 0})
"""


def sources(folder: Path, work: Path) -> Path:
    """CuPy's sources of the installed version, unpacked; the archive is kept in `folder`."""
    _, version = cupy_distribution()
    archive = folder / f"cupy-{version}.tar.gz"
    if not archive.exists():
        # without the variable CuPy's setup looks for a CUDA toolkit before pip has the archive
        process = subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "cupy",
             "-d", str(work), f"cupy=={version}"],
            env={**os.environ, "CUPY_INSTALL_USE_STUB": "1"}, capture_output=True, text=True, check=False)
        downloaded = work / archive.name
        if process.returncode or not downloaded.exists():
            raise BuildError(f"pip could not download the sources of cupy {version}:\n"
                             f"{process.stderr[-2000:]}")
        os.replace(downloaded, archive)
    with tarfile.open(archive) as packed:
        packed.extractall(work, filter="data")
    return work / f"cupy-{version}"


def runtime_module(target: Path, archives: Path, work: Path, libraries: Path) -> Path:
    """The module, cythonized and linked with the device's runtime."""
    import numpy as np

    tree = sources(archives, work)
    process = subprocess.run([sys.executable, "-c", CYTHONIZE, MODULE, str(cuda_version())], cwd=tree,
                             capture_output=True, text=True, check=False)
    if process.returncode:
        raise BuildError(f"{MODULE}.pyx: Cython failed (pip install cython):\n{process.stderr[-2000:]}")
    # CuPy includes it, and the wheels of CUDA's headers lack it
    declared = [f'extern "C" cudaError_t {name}();\n' for name in ("cudaProfilerStart", "cudaProfilerStop")]
    (work / "cuda_profiler_api.h").write_text("".join(declared), encoding="utf-8")
    includes = [work, np.get_include(), sysconfig.get_paths()["include"]]
    flags = [part for include in includes for part in ("-I", str(include))]
    module = compiled(tree / f"{MODULE}.cpp", work / "runtime.o", *flags, "-O1", "-fpermissive")
    return linked(target, module, libraries / "libcuda.so.1")
