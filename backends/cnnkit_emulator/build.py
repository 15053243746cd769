"""Building a .cu file for the host: its kernels, a table of them, and the emulator's runtime in one library.

Libraries are kept in the user's cache under the hash of everything that goes into them, so each is built
once, however many processes need it; the cache drops those that have not been used for the longest time.
Their names end with the hash of what they hold: one that was cut off or altered is never loaded, but built
anew.
"""

from __future__ import annotations

import contextlib
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

from cnnkit import storage
from cnnkit.backends.c_integers import Argument, Structure

SHIM = Path(__file__).parent / "shim"
# g++ 12 confuses threads' values in batch norm's kernels for __half where it looks for pure functions.
FLAGS = ("-std=c++20", "-O2", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-ffp-contract=off",
         "-fno-strict-aliasing", "-fno-ipa-pure-const", "-w")

# In the watching build the compiler calls a function of watch.h at every access; its sanitizers' libraries
# are not linked. -O1 without these passes keeps accesses as they were written: that of a float4 has 16 bytes.
# (DWARF 4 is for addr2line.)
WATCHED = ("-O1", "-fno-tree-sra", "-fno-ipa-sra", "-fno-tree-sink", "-gdwarf-4", "-fsanitize=thread",
           "--param=tsan-instrument-func-entry-exit=0", "-fsanitize=alignment,bounds-strict")
KEPT = 400  # libraries in the cache


class CompileError(RuntimeError):
    """The host's compiler refused the source; its message names the file and the line."""


@functools.cache
def compiler() -> str | None:
    """The host's C++ compiler: ``$CXX``, or the first of g++, clang++ and c++ on the path."""
    requested = os.environ.get("CXX", "").split()
    return next(filter(None, map(shutil.which, requested[:1] or ("g++", "clang++", "c++"))), None)


def available() -> bool | str:
    """``True``, or why nothing can be built here."""
    if sys.platform == "win32":
        return "it needs Linux or macOS"
    return (True if compiler()
            else "there is no C++ compiler (g++, clang++ or c++) to build CUDA kernels for the CPU")


@functools.cache
def _identity(command: str) -> str:
    """The compiler and its version: part of the cache's key, so that another compiler builds anew."""
    return subprocess.run([command, "--version"], capture_output=True,
                          text=True, check=False).stdout + command


def cache_folder() -> Path:
    """Where libraries are kept: the user's cache, or a temporary folder where that cannot be written."""
    import pooch

    return storage.private_folder(Path(pooch.os_cache("cnnkit")) / "emulator", name="cnnkit-emulator")


@functools.lru_cache(128)
def build(source: str, kernels: tuple[str, ...], watch: bool = False) -> ctypes.CDLL:
    """The library of a CUDA source, in which kernel i is the instance that ``kernels[i]`` names.

    With `watch`, every access to memory is announced to the runtime.

    Raises
    ------
    CompileError
        With the compiler's first errors.
    """
    rows = "\n".join(f'    {{"{name}", emu::Run<&{name}>::run, emu::Run<&{name}>::size}},'
                     for name in kernels)
    source = re.sub(r"\bextern\s+__shared__\s+(?:alignas\(\w+\)\s*|__align__\(\w+\)\s*)?"
                    r"([\w:<> ]+?)\s*(\w+)\s*\[\s*\]\s*;", r"EMU_DYNAMIC(\1, \2);", source)
    text = (f'#include "cuda_shim.h"\n{source}\n#line 1 "kernel table"\n#include "table.h"\n'
            f"const emu::Entry emu::table[] = {{\n{rows}\n}};\n")
    flags = (*FLAGS, *WATCHED * watch)
    runtime = _compiled('#include "runtime.cpp"\n', FLAGS)
    return _declare(ctypes.CDLL(str(_compiled(text, flags, runtime))))


@functools.cache
def _shim() -> str:
    return "\0".join(f"{p.name}\0{p.read_text(encoding='utf-8')}"
                     for p in sorted(SHIM.iterdir()) if p.is_file())


def _compiled(text: str, flags: Sequence[str], runtime: Path | None = None) -> Path:
    """The object file of a C++ text, from the cache or new; with the runtime's object file, a library."""
    command = compiler()
    if command is None:
        raise CompileError(str(available()))
    key, ending = "\0".join((text, _shim(), *flags, _identity(command))), ".so" if runtime else ".o"
    name, cache = _short_hash(key.encode()), cache_folder()
    for path in cache.glob(f"{name}-*{ending}"):
        if _is_whole(path):
            return path
    _make_room(cache)
    # built elsewhere and written in one step: two processes may build the same file
    with tempfile.TemporaryDirectory() as folder:
        source, compiled, linked = (Path(folder, name) for name in ("kernels.cpp", "kernels.o", "kernels.so"))
        source.write_text(text, encoding="utf-8")
        steps = [[*flags, "-I", str(SHIM), "-c", str(source), "-o", str(compiled)]]
        if runtime:
            steps.append(["-shared", str(compiled), str(runtime), "-o", str(linked)])
        for step in steps:
            process = subprocess.run([command, *step], capture_output=True, text=True, check=False)
            if process.returncode:
                raise CompileError("\n".join(_first_errors(process.stderr.splitlines())))
        content = (linked if runtime else compiled).read_bytes()
    return storage.write(cache / f"{name}-{_short_hash(content)}{ending}", content)


def _short_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _is_whole(path: Path) -> bool:
    """Whether a file of the cache holds what its name says; a damaged one is removed."""
    try:
        content = storage.read_bytes(path)
        os.utime(path)  # used now
    except (OSError, storage.FormatError):  # removed by another process, or cannot be read
        content = b""
    if path.stem.endswith(_short_hash(content)):
        return True
    with contextlib.suppress(OSError):
        path.unlink()
    return False


def _make_room(folder: Path) -> None:
    """Delete the libraries that have not been used for the longest time, beyond `KEPT`."""
    by_age = []
    for path in folder.glob("*.so"):
        with contextlib.suppress(FileNotFoundError):  # another process has removed it
            by_age.append((path.stat().st_mtime, path))
    for _, path in sorted(by_age)[:max(0, len(by_age) - KEPT)]:
        path.unlink(missing_ok=True)


def _first_errors(lines: Sequence[str]) -> Sequence[str]:
    first = next((i for i, line in enumerate(lines) if "error" in line), 0)
    return lines[first:first + 12]


class Launch(Structure):
    """The argument of ``emu_launch``, as in runtime.cpp."""

    _fields_ = (
        ("kernel", ctypes.c_int), ("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3),
        ("arguments", ctypes.POINTER(ctypes.c_void_p)), ("schedule", ctypes.c_int), ("seed", ctypes.c_uint64),
        ("dynamic", ctypes.c_uint64), ("watching", ctypes.c_uint),
        ("chosen", ctypes.POINTER(ctypes.c_uint64)),
        ("chosen_count", ctypes.c_uint64), ("message", ctypes.c_char_p), ("capacity", ctypes.c_uint64))


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    for name, result, *arguments in (
            ("emu_argument_size", ctypes.c_long, ctypes.c_int, ctypes.c_uint),
            ("emu_arena", None, ctypes.c_size_t, ctypes.c_size_t),
            ("emu_array", None, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_int, ctypes.c_int),
            ("emu_launch", ctypes.c_long, ctypes.POINTER(Launch)),
            ("emu_plain_shared", ctypes.c_long),
            ("emu_release_stacks", None),
            ("emu_site_count", ctypes.c_long),
            ("emu_site", None, ctypes.c_long, ctypes.POINTER(ctypes.c_uint64)),
            ("emu_touched", ctypes.c_long, ctypes.c_size_t, ctypes.c_long, ctypes.c_uint)):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = [a if hasattr(a, "contents") else Argument(a, f"{name}, argument {i}")
                             for i, a in enumerate(arguments)]
    return library


def with_lines(library: ctypes.CDLL, message: str) -> str:
    """A message with ``file:line`` for each ``+0x...``, if addr2line is installed and the build has lines."""
    hint = "traced() has the line" if shutil.which("addr2line") else "addr2line, of binutils, finds the line"

    def location(offset: re.Match) -> str:
        return line_of(library, int(offset.group(1), 16)) or f"{offset.group(0)} ({hint})"
    return re.sub(r"\+(0x[0-9a-f]+)", location, message)


@functools.cache
def line_of(library: ctypes.CDLL, offset: int) -> str:
    """``file:line`` of the code at an offset, for inlined code with that of its caller; or ``""``."""
    command = shutil.which("addr2line")
    if command is None:
        return ""
    process = subprocess.run([command, "-i", "-e", library._name, hex(offset)], capture_output=True,
                             text=True, check=False)
    places = [place.rsplit("/", 1)[-1].split(" ")[0] for place in process.stdout.splitlines()]
    places = [place for place in places
              if not place.startswith(("?", ":", "cuda_shim.h", "table.h", "emulated.h"))]
    # prims.cuh, which every kernel uses, says little about the place
    callers = [place for place in places if not place.startswith("prims.cuh")]
    return f"{places[0]} (from {callers[0]})" if callers and callers[0] != places[0] else "".join(places[:1])
