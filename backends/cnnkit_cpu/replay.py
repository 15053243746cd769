"""C calls noted while a step is recorded, and made again by one call: what `cnnkit.capture` asks for.

Kernels call C functions as attributes of a library. While a recording is under way, those of the functions
that ``src/core/replay.h`` can call again are replaced there by others, which tell the recording of its own
thread's calls. Replaying fills in addresses and calls function after function, all in C.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from cnnkit.backends.c_integers import Structure, array_of
from cnnkit.backends.native import Argument, BoundCall, CallNotes, NativeCall, Place, UpdateNumbers
from cnnkit_cpu import choice, library, update
from cnnkit_cpu.activation import NUMBERS
from cnnkit_cpu.library import FUNCTIONS, ROLES, Library, address
from cnnkit_cpu.memory import LINE, pool
from cnnkit_cpu.slicing import per_image
from cnnkit_cpu.together import together

__all__ = ["CNativeCalls"]

# ops whose kernels do nothing but C calls, forward and back
PURE = frozenset((
    "adaptive_avg_pool", "add", "avg_pool", "batch_norm", "concat", "conv", "conv_filters", "conv_input",
    "cross_entropy", "dropout", "linear", "max_pool", "mean", "resample", "resample_input", "reshape",
    "scatter_add", "standardize", "take", *NUMBERS))
# functions that only say something of shapes, so that their results are in the recorded calls already
ASKED = frozenset(name for name in FUNCTIONS if name.endswith(("_room", "_size"))
                  or name in ("cpu_compiler", "cpu_width", "cpu_threads", "cpu_level", "cpu_forked",
                              "cpu_watch", "cpu_watched", "peak_multiply_adds", "peak_operations",
                              "conv_geometry_new", "conv_geometry_free", "replay", "replay_function"))
INTEGERS = (ctypes.c_int, ctypes.c_long, ctypes.c_uint32, ctypes.c_int64)
_lock = threading.Lock()
_originals: dict[Library, dict[str, Any]] = {}  # while there are recordings: the functions that are replaced


class CNativeCalls:
    """The `cnnkit.backends.native.NativeCalls` of the table ``cpu``, with its updates."""

    pure = PURE
    updates: Mapping[str, UpdateNumbers] = update.NUMBERS

    def settings(self) -> Hashable:
        return library.active, library.threads, choice.forced

    def held(self) -> int:
        return pool.held

    def release(self) -> None:
        pool.trim()

    @contextmanager
    def noting(self, notes: CallNotes) -> Iterator[None]:
        me = threading.get_ident()
        with _lock:
            if not library.noting:
                for built in library.libraries.values():
                    _originals[built] = {name: getattr(built, name) for name in FUNCTIONS
                                         if name not in ASKED}
                    for name, function in _originals[built].items():
                        setattr(built, name, _noted(built, name, function))
            library.noting[me] = notes
        try:
            yield
        finally:
            with _lock:
                del library.noting[me]
                if not library.noting:
                    for built, functions in _originals.items():
                        for name, function in functions.items():
                            setattr(built, name, function)
                    _originals.clear()

    def where(self, array: np.ndarray) -> tuple[int, int, Any]:
        spans = [(n - 1) * stride for n, stride in zip(array.shape, array.strides)]
        first = address(array) + sum(s for s in spans if s < 0)
        size = sum(map(abs, spans)) + array.itemsize if array.size else 0
        owner = array
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        return first, size, owner

    address = staticmethod(address)

    def memory(self, nbytes: int) -> tuple[Any, int]:
        memory = np.empty(nbytes + LINE, np.uint8)
        begin = -address(memory) & (LINE - 1)
        # no array, so that views of an array on it refer to that array
        return memory.data[begin:], address(memory) + begin

    def array(self, memory: Any, offset: int, shape: tuple[int, ...], dtype: Any,
              strides: tuple[int, ...]) -> np.ndarray:
        return np.ndarray(shape, dtype, memory, offset, strides)

    def bases(self, count: int) -> Any:
        return (ctypes.c_int64 * count)()

    def build(self, calls: Sequence[BoundCall]) -> Executable:
        return Executable(calls)

    together = staticmethod(together)
    per_image = staticmethod(per_image)

    def watch(self, memory: Sequence[tuple[Place, int]]) -> Callable[[Any, bool], bool]:
        return Fingerprint(memory).changed


def _noted(built: Library, name: str, function: Callable) -> Callable:
    """A C function that tells the recording of its thread, if there is one, of each call."""
    roles = ROLES[name]
    restype = FUNCTIONS[name][0]

    def noted(*arguments: Any) -> Any:
        result = function(*arguments)
        notes = library.noting.get(threading.get_ident())
        if notes is None:
            return result
        if restype not in (None, *INTEGERS) or not built.replay_function(name.encode()):
            notes.unlike(f"{name} is called, which cannot be replayed")
            return result
        listed = []
        for (parameter, role), value in zip(roles, arguments):
            if role in ("reads", "writes"):
                value = None if value is None else tuple(address or 0 for address in value)
            elif role == "held" or isinstance(value, bytes | ctypes.Array):
                role, value = "held", _kept(built, value)
            if role == "held" and value is None:
                notes.unlike(f"{name} takes {parameter}, which cannot be kept")
                return result
            empty = value is None and role != "number"
            listed.append(Argument("number" if empty else role, parameter, 0 if empty else value))
        notes.called(NativeCall(name, tuple(listed), result))
        return result
    return noted


def _kept(built: Library, value: Any) -> Any:
    """What keeps an object of the host alive: a copy of a C array, or the plan that has this handle."""
    if isinstance(value, bytes | ctypes.Array):
        return bytes(value)
    return next((plan for plan in list(built.plans.values()) if getattr(plan, "handle", None) == value), None)


class _Call(Structure):
    _fields_ = (("function", ctypes.c_void_p), ("slots", ctypes.c_void_p), ("checked", ctypes.c_int64),
                ("expected", ctypes.c_int64))


class _Place(Structure):
    _fields_ = (("slot", ctypes.c_void_p), ("base", ctypes.c_int64), ("offset", ctypes.c_int64))


class _List(Structure):
    _fields_ = (("calls", ctypes.c_int64), ("places", ctypes.c_int64), ("call", ctypes.c_void_p),
                ("place", ctypes.c_void_p))


class Executable:
    """C calls in a block of memory, as ``src/core/replay.h`` wants them."""

    def __init__(self, calls: Sequence[BoundCall]):
        owner = library.active
        self._slots = (ctypes.c_int64 * sum(map(_slots, calls)))()
        begin = ctypes.addressof(self._slots)
        self._kept: list[Any] = []
        self._keys: dict[int, list[tuple[int, int]]] = {}  # random key -> positions of its words
        self._numbers: dict[tuple[int, str], tuple[int, Any]] = {}  # call and name -> position and type
        entries: list[_Call] = []
        places: list[_Place] = []
        position = 0
        for bound in calls:
            call, table = bound.call, position + len(bound.call.arguments)
            entries.append(_Call(owner.replay_function(call.function.encode()), begin + 8 * position,
                                 call.result is not None, call.result or 0))
            for argument, place, c_type in zip(call.arguments, bound.places, FUNCTIONS[call.function][1]):
                self._numbers[len(entries) - 1, argument.name] = position, c_type
                if isinstance(place, tuple):
                    self._slots[position] = begin + 8 * table
                    places += [_Place(begin + 8 * n, memory.base, memory.offset)
                               for n, memory in enumerate(place, table) if memory is not None]
                    table += len(place)
                elif place is not None:
                    places.append(_Place(begin + 8 * position, place.base, place.offset))
                elif argument.kind == "held":
                    self._slots[position] = self._held(argument.value)
                else:
                    self._slots[position] = _as_slot(argument.value, c_type)
                if bound.key is not None and argument.name in ("k0", "k1"):
                    self._keys.setdefault(bound.key, []).append((position, argument.name == "k1"))
                position += 1
            position = table
        self._calls = (_Call * len(entries))(*entries)
        self._places = (_Place * len(places))(*places)
        self._list = _List(len(entries), len(places), ctypes.addressof(self._calls),
                           ctypes.addressof(self._places))
        self._address = ctypes.addressof(self._list)
        self._replay = owner.replay

    def _held(self, value: Any) -> int:
        """Keep an object of the host; its address."""
        if not isinstance(value, bytes):
            self._kept.append(value)
            return value.handle
        array = ctypes.create_string_buffer(value, len(value))
        self._kept.append(array)
        return ctypes.addressof(array)

    def run(self, bases: Any) -> int:
        return self._replay(self._address, bases)

    def set_key(self, number: int, key: tuple[int, int]) -> None:
        for position, word in self._keys.get(number, ()):
            self._slots[position] = key[word]

    def set_number(self, call: int, name: str, value: Any) -> None:
        position, c_type = self._numbers[call, name]
        if isinstance(value, bytes):
            ctypes.memmove(self._slots[position], value, len(value))
        else:
            self._slots[position] = _as_slot(value, c_type)


class Fingerprint:
    """What `fingerprint` of ``src/core/fingerprint.h`` has made of some memory."""

    def __init__(self, memory: Sequence[tuple[Place, int]]):
        self._call = library.active.fingerprint
        self._places = [(n, place.base, place.offset) for n, (place, _) in enumerate(memory)]
        self._from = (ctypes.c_void_p * len(memory))()
        self._arguments = library.threads, len(memory), array_of(
            ctypes.c_long, "sizes of parameters", *[size for _, size in memory]), self._from
        self._known: int | None = None

    def changed(self, bases: Any, unmoved: bool) -> bool:
        """Whether it is another now; at the first call it is. `unmoved`: the memory is the last call's."""
        if not unmoved or self._known is None:
            for n, base, offset in self._places:
                self._from[n] = bases[base] + offset
        known, self._known = self._known, self._call(*self._arguments)
        return known != self._known


def _slots(bound: BoundCall) -> int:
    """How many numbers of 8 bytes a call's arguments take, with the tables behind them."""
    return len(bound.call.arguments) + sum(len(place) for place in bound.places if isinstance(place, tuple))


def _as_slot(value: Any, c_type: Any) -> int:
    """A number as the 8 bytes from which C takes it."""
    if c_type is ctypes.c_float:
        return struct.unpack("<q", struct.pack("<fxxxx", value))[0]
    if c_type is ctypes.c_double:
        return struct.unpack("<q", struct.pack("<d", value))[0]
    return int(value)
