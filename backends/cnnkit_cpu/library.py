"""The C++ libraries: finding them, choosing one by what the processor can do, threads and forks.

Each instruction set has its library beside this file, with the plain C interface of ``src/interface.h``.
`active` is the one that serves.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cnnkit_cpu.built import reason_for
from cnnkit_cpu.interface import converters, roles, signatures

FOLDER = Path(__file__).parent
LEVELS = {"avx512": 2, "avx2": 1, "generic": 0}  # the lowest `cpu_level` of each; the best comes first

DECLARATIONS = (FOLDER / "src" / "interface.h").read_text()
FUNCTIONS = {name: (result, converters(name, arguments)) for name, (result, arguments) in
             signatures(DECLARATIONS).items()}
ROLES = roles(DECLARATIONS)
noting: dict[int, Any] = {}  # thread -> who is told of its calls and memory: see `cnnkit_cpu.replay`

HEAD = object.__basicsize__  # an ndarray's first field after the object's head is the pointer to its data
_pointer = ctypes.c_size_t.from_address


def _field(array: np.ndarray) -> int:
    """Where an array's data are, read from the object: ``array.ctypes.data`` takes five times as long."""
    return _pointer(id(array) + HEAD).value


def _attribute(array: np.ndarray) -> int:
    return array.ctypes.data


def _readable() -> bool:
    probe = np.zeros(4, np.float32)
    return all(_field(a) == a.ctypes.data for a in (probe, probe[1:]))


address: Callable[[np.ndarray], int] = _field if _readable() else _attribute


class Library:
    """One built library: its C functions are its attributes."""

    def __init__(self, isa: str, path: Path):
        self.isa = isa
        self.plans: dict = {}  # by shapes and attributes: see `cnnkit_cpu.conv.remember`
        built = ctypes.CDLL(str(path))
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(built, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:  # for type checkers: the functions are set above
        raise AttributeError(name)


def _find() -> tuple[dict[str, Library], str]:
    """The libraries that run here, the best first; or none, and why."""
    paths = {isa: path for isa in LEVELS if (path := FOLDER / f"libcnnkit_{isa}.so").exists()}
    if not paths:
        return {}, f"its C++ was not built: {reason_for(FOLDER, 'generic')}"
    loaded: dict[str, Library] = {}
    reason = ""
    try:
        level = Library("", paths[min(paths, key=LEVELS.__getitem__)]).cpu_level()
        loaded = {isa: Library(isa, path) for isa, path in paths.items() if LEVELS[isa] <= level}
    except OSError as error:
        reason = f"its library cannot be loaded: {error}"
    except AttributeError as error:
        reason = f"its library was built from another version of its sources: {error}. Install cnnkit again"
    if not loaded and not reason:
        reason = f"this processor has none of the instruction sets {', '.join(paths)}"
    return loaded, reason


libraries, REASON = _find()
active: Library = next(iter(libraries.values()), None)  # type: ignore[assignment]
MOST_THREADS = 1024
threads = min(active.cpu_threads(), MOST_THREADS) if active else 1


def available() -> bool | str:
    """``True``, or why only NumPy's own kernels can serve."""
    return REASON or True


def missing() -> str:
    """What is slower than it need be because the best C++ library is missing, and why; or nothing.

    >>> missing().startswith("avx") or not missing() or not isas()
    True
    """
    if REASON:
        return f"NumPy's kernels run alone, about four times slower: {REASON}"
    level = active.cpu_level()
    best = next(isa for isa in LEVELS if LEVELS[isa] <= level)
    if isas() == ("generic",) and best != "generic":
        return f"{best}, several times as fast, was not built: {reason_for(FOLDER, best)}"
    return ""


def isas() -> tuple[str, ...]:
    """The instruction sets that the kernels were built for and this processor has, the best first.

    >>> set(isas()) <= {"avx512", "avx2", "generic"}
    True
    """
    return tuple(libraries)


def isa() -> str | None:
    """The instruction set whose kernels serve now; ``None`` where there are none."""
    return active.isa if active else None


def force(name: str | None) -> None:
    """Serve from the kernels of one instruction set from now on; ``None`` goes back to the best.

    Results differ between instruction sets in the last bits: sums are made in other orders.

    Raises
    ------
    ValueError
        If it is not built or this processor lacks it.

    >>> force(None)
    >>> isa() == (isas() or (None,))[0]
    True
    """
    global active  # noqa: PLW0603
    if name is None:
        active = next(iter(libraries.values()), None)  # type: ignore[assignment]
    elif name in libraries:
        active = libraries[name]
    else:
        names = ", ".join(libraries) or "none"
        raise ValueError(f"there are no kernels for the instruction set {name!r} here; there are {names}"
                         + (f": {REASON}" if REASON else ""))


def _after_fork() -> None:
    """Forget the threads: the child has none of them, and would wait for them."""
    for library in libraries.values():
        library.cpu_forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
