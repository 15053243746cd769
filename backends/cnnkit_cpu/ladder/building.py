"""Building a step of the ladder with the machine's C++ compiler, for one instruction set."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cnnkit.backends.c_integers import Argument

COMPILERS = "c++", "g++", "clang++"
FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi", "-shared", "-fPIC")
AVX2 = ("-mavx2", "-mfma")
AVX512 = ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512")
ISAS = {"generic": (), "avx2": AVX2, "avx512": (*AVX2, *AVX512)}  # as in setup.py, for the shipped kernels
# N, C, H, W, K; images, filters, bias, results
ARGUMENTS: Any = (*(Argument(ctypes.c_int, f"step: {name}") for name in "NCHWK"), *(ctypes.c_void_p,) * 4)

Step = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]


class BuildError(RuntimeError):
    """A step that the compiler refuses; the message has the file, the line and the compiler's words."""


def compiler() -> str | None:
    """The C++ compiler: ``$CXX``, or the first of c++, g++ and clang++ on the path; or ``None``."""
    chosen = os.environ.get("CXX", "").split()
    return next(filter(None, map(shutil.which, chosen[:1] or COMPILERS)), None)


def version(command: str) -> str:
    """The first line of what the compiler says of itself."""
    process = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    return (process.stdout.splitlines() or [command])[0]


def build(command: str, source: Path, isa: str, folder: Path) -> Step:
    """Compile one file into `folder` and return its function ``step(x, weight, bias, y)``, which fills `y`.

    Parameters
    ----------
    command : str
        The compiler.
    source : Path
        A file with ``extern "C" void step(int N, int C, int H, int W, int K, const float* x,
        const float* weight, const float* bias, float* y)``.
    isa : str
        A key of `ISAS`.
    folder : Path
        Where the library is written.

    Returns
    -------
    callable
        It takes float32 arrays in C order: images (N, C, H, W), filters (K, C, 3, 3), bias (K,), and the
        results to fill, (N, K, H // 2, W // 2).

    Raises
    ------
    BuildError
        If the compiler refuses the file, or the file has no such function.
    """
    library = folder / f"{source.stem}-{isa}.so"
    process = subprocess.run([command, *FLAGS, *ISAS[isa], str(source), "-o", str(library)],
                             capture_output=True, text=True, check=False)
    if process.returncode:
        raise BuildError(f"{source.name} does not compile with {command}:\n{process.stderr.strip()}")
    try:
        function = ctypes.CDLL(str(library)).step
    except AttributeError:
        raise BuildError(f"{source.name} has no function `step` with C linkage; see 1_naive.cpp") from None
    function.restype, function.argtypes = None, ARGUMENTS

    def step(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, y: np.ndarray) -> None:
        function(*x.shape, len(weight), *(array.ctypes.data for array in (x, weight, bias, y)))
    return step


def processor() -> str:
    """The processor's name, as the operating system knows it."""
    try:
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, subprocess.CalledProcessError, StopIteration):
        return platform.processor() or platform.machine()
