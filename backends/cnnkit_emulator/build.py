"""Building a .cu file for the host: the source, a table of its kernels, and the emulator's runtime in one library.

Libraries are kept in the user's cache under the hash of everything that goes into them, so each is built once.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SHIM = Path(__file__).parent / "shim"
FLAGS = ("-std=c++20", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=off", "-fno-strict-aliasing", "-w")


# The compiler calls a function of trace.h at every access; libtsan is not linked. (addr2line loses files in DWARF 5.)
TRACED = ("-O1", "-gdwarf-4", "-fsanitize=thread", "-DEMU_TRACE")


class CompileError(RuntimeError):
    """The host's compiler refused the source; its message names the file and the line."""


@functools.cache
def compiler() -> str | None:
    """The host's C++ compiler: ``$CXX``, or the first of g++, clang++ and c++ on the path."""
    asked = os.environ.get("CXX", "").split()
    return next(filter(None, map(shutil.which, asked[:1] or ("g++", "clang++", "c++"))), None)


def available() -> bool | str:
    """``True``, or why nothing can be built here."""
    if sys.platform == "win32":
        return "it needs Linux or macOS"
    return True if compiler() else "there is no C++ compiler (g++, clang++ or c++) to build CUDA kernels for the CPU"


@functools.cache
def _identity(command: str) -> str:
    """The compiler and its version: another one builds anew."""
    return subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout + command


def cache_folder() -> Path:
    """Where libraries are kept: the user's cache, or a temporary folder where that cannot be written."""
    import pooch

    folder = Path(pooch.os_cache("cnnkit")) / "emulator"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    folder = Path(tempfile.gettempdir()) / f"cnnkit-emulator-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else; libraries are not loaded from it")
    return folder


@functools.lru_cache(128)
def build(source: str, kernels: tuple[str, ...], trace: bool = False) -> ctypes.CDLL:
    """The library of a CUDA source, in which kernel i is the instance that ``kernels[i]`` names.

    With `trace`, every access to memory is watched.

    Raises
    ------
    CompileError
        With the compiler's first errors.
    """
    command = compiler()
    if command is None:
        raise CompileError(str(available()))
    rows = "\n".join(f'    {{"{name}", emu::Run<&{name}>::run, emu::Run<&{name}>::size}},' for name in kernels)
    text = (f'#include "cuda_shim.h"\n{source}\n#line 1 "kernel table"\n#include "launch.h"\n'
            f"const emu::Entry emu::table[] = {{\n{rows}\n}};\n")
    parts = [text, *(p.read_text(encoding="utf-8") for p in sorted(SHIM.iterdir())), *FLAGS, *TRACED * trace, _identity(command)]
    library = cache_folder() / (hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32] + ".so")
    if not library.exists():
        _compile(command, text, library, trace)
    return _declare(ctypes.CDLL(str(library)), trace)


def _compile(command: str, text: str, library: Path, trace: bool) -> None:
    """Compile beside the library and move it there at once: two processes may build the same one."""
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        source, made = Path(folder, "kernels.cpp"), Path(folder, "kernels.so")
        source.write_text(text, encoding="utf-8")
        flags = [*FLAGS, *TRACED * trace]
        steps = [[*flags, "-I", str(SHIM), str(source), "-o", str(made)]]
        if trace:
            flags.remove("-shared")
            steps = [[*flags, "-I", str(SHIM), "-c", str(source), "-o", f"{made}.o"], [*FLAGS, f"{made}.o", "-o", str(made)]]
        for step in steps:
            done = subprocess.run([command, *step], capture_output=True, text=True, check=False)
            if done.returncode:
                raise CompileError("\n".join(_first_errors(done.stderr.splitlines())))
        os.replace(made, library)


def _first_errors(lines: Sequence[str]) -> Sequence[str]:
    first = next((i for i, line in enumerate(lines) if "error" in line), 0)
    return lines[first:first + 12]


def _declare(library: ctypes.CDLL, trace: bool) -> ctypes.CDLL:
    unsigned = ctypes.POINTER(ctypes.c_uint)
    library.emu_argument_size.restype = ctypes.c_long
    library.emu_argument_size.argtypes = [ctypes.c_int, ctypes.c_uint]
    library.emu_launch.restype = ctypes.c_long
    library.emu_launch.argtypes = [ctypes.c_int, unsigned, unsigned, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_uint64,
                                   ctypes.c_char_p, ctypes.c_long]
    if trace:
        library.emu_watch.argtypes = [ctypes.c_void_p, ctypes.c_long]
    return library


def with_lines(library: ctypes.CDLL, message: str) -> str:
    """A tracer's message with ``file:line`` for each ``+0x...`` in the library, where addr2line is at hand."""
    command = shutil.which("addr2line")

    def line(found: re.Match) -> str:
        done = subprocess.run([str(command), "-i", "-e", library._name, found.group(1)], capture_output=True, text=True,
                              check=False)
        inside = [place.rsplit("/", 1)[-1].split(" ")[0] for place in done.stdout.splitlines()]
        return next((place for place in inside if ".cu" in place), found.group(0))
    return re.sub(r"\+(0x[0-9a-f]+)", line, message) if command else message
