"""Where what is built is kept, and what it depends on.

What a build depends on is hashed: sources, the compiler with the processor that it compiles for, CuPy's
version and Python's. A folder of that name is built once, elsewhere, and moved into its place whole.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from cnnkit import storage

__all__ = ["BuildError", "compiler", "cuda_version", "cupy_distribution", "folder", "headers", "key",
           "processor"]

SOURCES = Path(__file__).parent / "src"
DISTRIBUTIONS = ("cupy-cuda13x", "cupy-cuda12x", "cupy")


class BuildError(RuntimeError):
    """The software device cannot be built here; the message says what is missing."""


@functools.cache
def folder() -> Path:
    """The user's cache, or a temporary folder where that cannot be written."""
    import pooch

    return storage.private_folder(Path(pooch.os_cache("cnnkit")) / "softcuda", name="cnnkit-softcuda")


@functools.cache
def compiler() -> str:
    """g++, or what ``$CXX`` names."""
    wanted = os.environ.get("CXX", "").split()[:1] or ["g++"]
    command = shutil.which(wanted[0])
    if command is None:
        raise BuildError(f"there is no C++ compiler {wanted[0]!r}, which builds the software device")
    return command


@functools.cache
def cupy_distribution() -> tuple[str, str]:
    """The installed CuPy: its distribution's name and version."""
    for name in DISTRIBUTIONS:
        try:
            return name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    raise BuildError("cupy is not installed (pip install cupy-cuda13x)")


@functools.cache
def headers() -> Path:
    """The folder of CUDA's headers: of the wheel ``nvidia-cuda-runtime``, or of ``$CUDA_PATH``."""
    candidates = [Path(entry).glob("nvidia/*/include") for entry in sys.path if entry]
    for include in [path for found in candidates for path in found] + [
            Path(os.environ.get("CUDA_PATH", "/usr/local/cuda")) / "include"]:
        if (include / "cuda_runtime_api.h").exists():
            return include
    raise BuildError("CUDA's headers are not here (pip install nvidia-cuda-runtime nvidia-cuda-crt)")


@functools.cache
def cuda_version() -> int:
    """The version of those headers, 13000 for 13.0."""
    text = (headers() / "cuda_runtime_api.h").read_text(encoding="utf-8", errors="replace")
    found = re.search(r"#define\s+CUDART_VERSION\s+(\d+)", text)
    if found is None:
        raise BuildError(f"{headers()}/cuda_runtime_api.h has no CUDART_VERSION")
    return int(found.group(1))


def key(*parts: object) -> str:
    """A name for what depends on these texts and files, and on the CuPy and the Python that are here."""
    texts = [p.read_text(encoding="utf-8") if isinstance(p, Path) else str(p) for p in parts]
    texts += [*cupy_distribution(), str(cuda_version()), sysconfig.get_config_var("EXT_SUFFIX"), sys.prefix]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def processor() -> str:
    """The compiler, and what it knows of this processor with ``-march=native``."""
    process = subprocess.run([compiler(), "-march=native", "-dM", "-E", "-x", "c++", "/dev/null"],
                             capture_output=True, text=True, check=False)
    return compiler() + process.stdout
