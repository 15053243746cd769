"""The C++ libraries: finding them, choosing one by what the processor can do, calling them, threads and forks.

Each instruction set has a library of its own beside this file, with a plain C interface. `active` is the one that serves.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
LEVELS = {"avx512": 2, "avx2": 1, "generic": 0}  # what `cpu_level` must say at least; the best comes first

P, L, I, F, U, Q = ctypes.c_void_p, ctypes.c_long, ctypes.c_int, ctypes.c_float, ctypes.c_uint32, ctypes.c_int64
SIGNATURES: dict[str, tuple[Any, tuple]] = {
    "cpu_compiler": (ctypes.c_char_p, ()),
    "cpu_width": (I, ()),
    "cpu_threads": (I, ()),
    "cpu_level": (I, ()),
    "cpu_forked": (None, ()),
    "conv_plan": (P, (I, I, I, I, I, P, P)),
    "conv_plan_free": (None, (P,)),
    "conv_forward_room": (L, (P, I)),
    "conv_backward_room": (L, (P, I, I, I)),
    "conv_bytes": (L, (P,)),
    "conv_forward": (None, (I, P, I, P, P, P, P, P, P)),
    "conv_backward": (None, (I, P, I, P, P, P, P, P, P, P, P, P)),
    "wide_forward_room": (L, (P, I, I)),
    "wide_forward": (I, (I, P, I, P, P, P, I, P, P)),
    "wide_input_room": (L, (P, I, I)),
    "wide_input": (I, (I, P, I, P, P, P, P)),
    "wide_weight_room": (L, (P, I)),
    "wide_weight": (I, (I, P, I, P, P, P, P)),
    "winograd_forward_room": (L, (P, I, I, I)),
    "winograd_forward": (I, (I, P, I, I, P, P, P, I, P, P)),
    "winograd_input_room": (L, (P, I, I, I)),
    "winograd_input": (I, (I, P, I, I, P, P, P, P)),
    "winograd_filter_room": (L, (P, I, I, I)),
    "winograd_filter": (I, (I, P, I, I, P, P, P, P)),
    "to_channels_last": (None, (I, I, I, I, I, P, P, P, P)),
    "from_channels_last": (None, (I, I, I, L, P, P)),
    "channel_totals_room": (L, (L, I)),
    "channel_totals": (None, (I, L, I, P, P, P)),
    "add_arrays": (None, (I, L, P, P, P)),
    "max_last_forward": (None, (I, P, L, P, P, P)),
    "max_last_backward": (None, (I, P, L, P, P, P)),
    "avg_last_forward": (None, (I, P, L, P, F, P)),
    "avg_last_backward": (None, (I, P, L, P, F, P)),
    "norm_last_room": (L, (L, L)),
    "norm_last_statistics": (None, (I, L, L, P, P, P, P)),
    "norm_last_forward": (None, (I, L, L, P, P, P, P, P, I, P)),
    "norm_last_backward": (None, (I, L, L, P, P, P, P, P, P, I, P, P, P, P, P)),
    "linear_forward": (None, (I, L, L, L, P, P, P, P, I)),
    "linear_backward": (None, (I, L, L, L, P, P, P, P, P, P, P)),
    "relu_forward": (None, (I, L, P, P)),
    "relu_backward": (None, (I, L, P, P, P)),
    "leaky_relu_forward": (None, (I, L, F, P, P)),
    "leaky_relu_backward": (None, (I, L, F, P, P, P)),
    "cross_entropy": (L, (I, L, L, P, P, Q, P, P)),
    "sum_of": (ctypes.c_double, (L, P)),
    "scale_rows": (None, (I, L, L, P, P, I, P)),
    "look_up": (None, (I, L, L, L, P, P, P)),
    "sgd": (None, (I, L, P, P, P, P, P, P, F, F, F, F, I, I)),
    "adam": (None, (I, L, P, P, P, P, P, P, P, P, F, F, F, F, F, F, I)),
    "pool_room": (L, (P, I)),
    "pool_bytes": (L, (P,)),
    "pool_forward": (I, (I, P, L, P, P, P, F, P)),
    "pool_backward": (None, (I, P, L, P, P, F, P, P)),
    "norm_statistics": (None, (I, L, L, L, P, P, P)),
    "norm_forward": (None, (I, L, L, L, P, P, P, P, I, P)),
    "norm_backward": (None, (I, L, L, L, P, P, P, P, P, P, I, P, P, P)),
    "random_bits": (None, (I, U, U, L, P)),
    "dropout": (None, (I, U, U, L, U, F, P, P)),
}

HEAD = object.__basicsize__  # an ndarray's first field after the object's head is the pointer to its data
_pointer = ctypes.c_size_t.from_address


def _field(array: np.ndarray) -> int:
    """Where an array's data are, read from the object itself: ``array.ctypes.data`` takes five times as long."""
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
        self.plans: dict = {}  # what kernels have worked out for shapes they have met
        functions = ctypes.CDLL(str(path))
        for name, (result, arguments) in SIGNATURES.items():
            function = getattr(functions, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:  # for type checkers: the functions are set above
        raise AttributeError(name)


def _find() -> tuple[dict[str, Library], str]:
    """The libraries that run here, the best first; or none, and why."""
    paths = {isa: path for isa in LEVELS if (path := FOLDER / f"libcnnkit_{isa}.so").exists()}
    if not paths:
        if not any(map(shutil.which, ("c++", "g++", "clang++"))):
            return {}, "its C++ was not built: there is no C++ compiler. Install one (apt-get install g++), then cnnkit again"
        return {}, "its C++ was not built when cnnkit was installed; `pip install -v` of cnnkit shows the compiler's errors"
    found: dict[str, Library] = {}
    reason = ""
    try:
        level = Library("", paths[min(paths, key=LEVELS.__getitem__)]).cpu_level()
        found = {isa: Library(isa, path) for isa, path in paths.items() if LEVELS[isa] <= level}
    except OSError as error:
        reason = f"its library cannot be loaded: {error}"
    except AttributeError as error:
        reason = f"its library was built from another version of its sources: {error}. Install cnnkit again"
    return found, reason or ("" if found else f"this processor has none of the instruction sets {', '.join(paths)}")


libraries, REASON = _find()
active: Library = next(iter(libraries.values()), None)  # type: ignore[assignment]
MOST_THREADS = 1024
threads = min(active.cpu_threads(), MOST_THREADS) if active else 1
_lock = threading.Lock()


def available() -> bool | str:
    """``True``, or why NumPy's own kernels must do."""
    return REASON or True


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
        raise ValueError(f"there are no kernels for the instruction set {name!r} here; there are {', '.join(libraries) or 'none'}"
                         + (f": {REASON}" if REASON else ""))


def _after_fork() -> None:
    """Forget the threads: the child has none of them, and would wait for them."""
    for library in libraries.values():
        library.cpu_forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
