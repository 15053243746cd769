"""The device's two libraries: ``libcuda.so.1``, with the runtime in it, and the stand-in of cuBLAS."""

from __future__ import annotations

import concurrent.futures
import os
import re
import shutil
import subprocess
from pathlib import Path

from cnnkit_softcuda.cache import SOURCES, BuildError, compiler, headers

__all__ = ["compiled", "cublas", "libcuda", "linked", "symbols"]

FLAGS = ("-std=c++20", "-O2", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing",
         "-fvisibility=hidden", "-fPIC", "-w")
NOT_SUPPORTED = 15  # CUBLAS_STATUS_NOT_SUPPORTED


def run(*command: str) -> str:
    """What a command of the compiler's prints."""
    try:
        process = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"{command[0]}: {error.strerror}") from None
    if process.returncode:
        lines = process.stderr.splitlines()
        first = next((n for n, line in enumerate(lines) if "error" in line), 0)
        raise BuildError("\n".join(lines[first:first + 8]) or f"{command[0]} failed")
    return process.stdout


def compiled(source: Path, target: Path, *flags: str) -> Path:
    """The object file of a source."""
    run(compiler(), *FLAGS, "-I", str(SOURCES), "-isystem", str(headers()), *flags, "-c", str(source),
        "-o", str(target))
    return target


def linked(target: Path, *inputs: str | Path) -> Path:
    """A library of object files."""
    run(compiler(), "-shared", *map(str, inputs), "-o", str(target))
    return target


def libcuda(folder: Path, work: Path) -> Path:
    """The driver, the runtime, and what runs kernels."""
    sources = [path for part in ("ptx", "run", "device") for path in sorted((SOURCES / part).glob("*.cpp"))]
    targets = [work / f"{path.parent.name}_{path.stem}.o" for path in sources]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compiled, sources, targets))
    return linked(folder / "libcuda.so.1", *objects, "-Wl,-soname,libcuda.so.1")


def symbols(library: Path, which: str) -> set[str]:
    """The names that a library needs (``"undefined"``) or has (``"defined"``)."""
    command = shutil.which("nm")
    if command is None:
        raise BuildError("there is no nm (of binutils)")
    lines = run(command, "-D", f"--{which}-only", str(library)).splitlines()
    return {line.split()[-1].partition("@")[0] for line in lines if line.strip()}


def cublas(folder: Path, work: Path, user: Path) -> Path:
    """cuBLAS for CuPy's module `user`; calls that the stand-in lacks are there, and say that they are not
    supported.
    """
    found = re.search(rb"libcublas\.so\.\d+", user.read_bytes())
    if found is None:
        raise BuildError(f"{user.name} does not use cuBLAS")
    name = found.group().decode()
    ours = compiled(SOURCES / "blas" / "blas.cpp", work / "blas.o")
    have = symbols(linked(work / "plain.so", ours), "defined")
    lacking = sorted(n for n in symbols(user, "undefined") - have if n.startswith("cublas"))
    stubs = work / "lacking.cpp"
    stubs.write_text("".join(f'extern "C" __attribute__((visibility("default"))) int {n}() '
                             f"{{ return {NOT_SUPPORTED}; }}\n" for n in lacking), encoding="utf-8")
    # what CuPy loads before cuBLAS, and does not call
    other = work / "lt.cpp"
    other.write_text('extern "C" unsigned long cublasLtGetVersion() { return 0; }\n', encoding="utf-8")
    second = name.replace("cublas", "cublasLt")
    linked(folder / second, compiled(other, work / "lt.o", "-fvisibility=default"), f"-Wl,-soname,{second}")
    versions = work / "versions"  # CuPy's module asks for symbols of this version
    versions.write_text(f"{name} {{ global: *; }};\n", encoding="utf-8")
    return linked(folder / name, ours, compiled(stubs, work / "lacking.o"), f"-Wl,-soname,{name}",
                  f"-Wl,--version-script={versions}", folder / "libcuda.so.1")
