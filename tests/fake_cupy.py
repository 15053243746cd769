"""A CuPy made of NumPy, with two devices: runs the host side of the CuPy backend without CUDA.

It is as strict as CuPy where the backend must take care. Functions work on the current device and
refuse arrays of another one; a device is no text; NumPy's arrays do not mix with its own. Kernels run
on the emulator.
"""

from __future__ import annotations

import ctypes
import importlib.machinery
import itertools
import threading
import types
from typing import Any

import numpy as np

DEVICES = 2
local = threading.local()


def current() -> int:
    return getattr(local, "device", 0)


class Device:
    def __init__(self, device: Any = None):
        if isinstance(device, str):
            raise TypeError(f"a device is a number or a Device; got the text {device!r}")
        self.id = current() if device is None else int(device)
        if not 0 <= self.id < DEVICES:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    compute_capability = "75"
    attributes = {"MultiProcessorCount": 40}
    mem_info = (3 << 30, 8 << 30)

    def __enter__(self):
        local.stack = [*getattr(local, "stack", []), current()]
        local.device = self.id
        return self

    def __exit__(self, *exc):
        local.device = local.stack.pop()

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return self.id

    def __repr__(self):
        return f"<CUDA Device {self.id}>"

    def synchronize(self):
        CALLS.append(("synchronize", self.id))


class Event:
    def __init__(self, block=False, disable_timing=False):
        self.stream, self.count = NULL, 0

    def synchronize(self):
        self.stream.run(self.count)


class Stream:
    """Its copies are made when somebody waits for them, and not before: as late as a GPU may."""

    numbers = itertools.count()

    def __init__(self, null=False, non_blocking=False):
        self.ptr, self.queue, self.done, self.lock = next(Stream.numbers), [], 0, threading.Lock()

    def __enter__(self):
        local.streams = [*getattr(local, "streams", []), self]
        return self

    def __exit__(self, *exc):
        local.streams.pop()

    def record(self, event=None):
        event = event or Event()
        event.stream, event.count = self, len(self.queue)
        CALLS.append(("record", self.ptr))
        return event

    def wait_event(self, event):
        CALLS.append(("wait", self.ptr, event.stream.ptr))
        event.synchronize()

    def synchronize(self):
        CALLS.append(("wait for", self.ptr, current()))
        self.run(len(self.queue))

    def run(self, count):
        with self.lock:
            for step in self.queue[self.done:count]:
                step()
            self.done = max(self.done, count)


class Memory:
    def __init__(self, array):
        self.array, self.ptr, self.device_id, self.offset = array, array.ctypes.data, array.place, 0

    def __add__(self, offset):
        moved = Memory(self.array)
        moved.offset = self.offset + offset
        return moved

    def copy_from_host_async(self, pointer, size, stream=None):
        CALLS.append(("copy", stream.ptr))
        stream.queue.append(lambda: ctypes.memmove(self.ptr, pointer, size))


class ndarray(np.ndarray):
    def __new__(cls, shape, dtype=float, memptr=None, strides=None, order="C"):
        if memptr is not None:
            return np.ndarray(shape, dtype, memptr.array, memptr.offset, strides).view(cls)
        memory = np.full(np.prod(shape, dtype=int) * np.dtype(dtype).itemsize, 0xFF, np.uint8)
        return np.ndarray(shape, dtype, memory, strides=strides).view(cls)

    def __array_finalize__(self, made_from):
        self.place = made_from.place if isinstance(made_from, ndarray) else current()

    device = property(lambda self: Device(self.place))
    data = property(Memory)

    def get(self):
        _check(self)
        return np.array(self.view(np.ndarray))

    def __array_ufunc__(self, function, method, *inputs, out=None, **kwargs):
        return _wrap(getattr(function, method)(*_plain(inputs),
                                               **({} if out is None else {"out": _plain(out)}), **kwargs))

    def __array_function__(self, function, types, args, kwargs):
        return _wrap(function(*_plain(args), **_plain(kwargs)))

    def __getitem__(self, index):
        item = super().__getitem__(_plain(index) if isinstance(index, ndarray) else index)
        return item if isinstance(item, ndarray) else _wrap(item)


ndarray.__module__ = "cupy"
CALLS: list = []
NULL = Stream()


class Pool:
    """What memory comes from."""

    def malloc(self, size):
        raise NotImplementedError

    def used_bytes(self):
        return 5 << 20

    def total_bytes(self):
        return 3 << 30

    def get_limit(self):
        return 4 << 30


def _check(value):
    if value.place != current():
        raise ValueError(f"the array is on device {value.place}, and the current one is {current()}")


def _plain(value):
    """NumPy's view of our arrays, which must be on the current device."""
    if isinstance(value, ndarray):
        _check(value)
        return value.view(np.ndarray)
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def _wrap(value):
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value).view(ndarray)
    return type(value)(map(_wrap, value)) if type(value) in (list, tuple) else value


def _function(name):
    function = getattr(np, name)

    def wrapped(*args, **kwargs):
        return _wrap(function(*_plain(args), **_plain(kwargs)))
    wrapped.__name__ = name
    return wrapped


def empty(shape, dtype=float, order="C"):
    return ndarray(shape, dtype)


class CPointer:
    """What a launch takes as the address of a value."""

    def __init__(self, p=0):
        self.ptr = p


def array(data, dtype=None, copy=True):
    """From anything, to the current device: CuPy's way in, and between devices."""
    return np.array(data.view(np.ndarray) if isinstance(data, ndarray) else data,
                    dtype=dtype, copy=copy).view(ndarray)


class Kernel:
    """A compiled kernel: runs on the emulator if device and argument types are those that CuPy takes."""

    def __init__(self, code, name):
        self.code, self.name, self.place = code, name, current()

    def __call__(self, grid, block, args, *, shared_mem=0):
        from cnnkit_cupy.launcher import KERNELS, InTable, OutTable, Struct, instances
        from cnnkit_cupy.sources import structure
        from cnnkit_emulator.array import Array
        from cnnkit_emulator.device import EmulatedDevice

        assert isinstance(args, tuple)
        assert self.place == current(), "a kernel was loaded on another device"
        CALLS.append((self.name, current(), shared_mem))
        arguments = []
        kernel = KERNELS[self.name]
        for a, parameter in zip(args, kernel.parameters, strict=True):
            if isinstance(a, ndarray):
                _check(a)
                a = Array(a.view(np.ndarray))
            elif isinstance(parameter, InTable | OutTable):
                addresses = np.frombuffer(ctypes.string_at(a.ptr, 8 * parameter.count), np.uint64)
                given = dict(zip(addresses.tolist(), a.arrays))
                a = tuple(None if not address else Array(given[address].view(np.ndarray))
                          for address in addresses.tolist())
            elif isinstance(a, CPointer):
                dtype = (structure(kernel.module, parameter.name) if isinstance(parameter, Struct)
                         else np.dtype((parameter.dtype, getattr(parameter, "count", 1))))
                a = np.frombuffer(ctypes.string_at(a.ptr, dtype.itemsize), dtype)
            elif not (a is None or isinstance(a, np.generic) or (isinstance(a, np.ndarray) and a.size == 1)):
                raise TypeError(f"Unsupported type {type(a)}")
            arguments.append(a)
        EmulatedDevice().run(self.code, instances(kernel.module), self.name, grid,
                             block, arguments, kernel.written)


class CompileException(Exception):
    pass


class RawModule:
    def __init__(self, *, code: str, options: tuple, name_expressions: tuple):
        assert options == ("-std=c++17",)
        self.code, self.names = code, name_expressions

    def get_function(self, name):
        assert name in self.names
        CALLS.append(("compile", name, current()))
        if "#error" in self.code:
            raise CompileException('pool.cu(7): error: #error directive\n  #error "no"')
        return Kernel(self.code, name)


def make() -> dict[str, types.ModuleType]:
    """The modules to put into `sys.modules`."""
    cupy = types.ModuleType("cupy")
    cupy.__spec__ = importlib.machinery.ModuleSpec("cupy", None)
    cupy.cuda = types.ModuleType("cupy.cuda")
    names = [n for n in np.__all__ if callable(getattr(np, n)) and not isinstance(getattr(np, n), type)]
    for name in names:
        setattr(cupy, name, _function(name))
    for name in np.__all__:
        if name not in names:
            setattr(cupy, name, getattr(np, name))
    cupy.__all__ = [*np.__all__]
    cupy.__version__, cupy.ndarray, cupy.array, cupy.RawModule = "14.2.0", ndarray, array, RawModule
    cupy.asarray = (lambda x, dtype=None: x if isinstance(x, ndarray) and dtype in (None, x.dtype)
                    else array(x, dtype))
    cupy.empty = empty
    cupy.cuda.Device, cupy.cuda.Stream, cupy.cuda.Event = Device, Stream, Event
    cupy.cuda.get_current_stream = lambda: [NULL, *getattr(local, "streams", [])][-1]
    cupy.cuda.alloc_pinned_memory = bytearray
    cupy.cuda.get_allocator = lambda: Pool().malloc
    cupy.cuda.nvrtc = types.SimpleNamespace(getVersion=lambda: (13, 0))
    cupy.cuda.is_available = lambda: True
    cupy.cuda.compiler = types.SimpleNamespace(CompileException=CompileException)
    cupy.cuda.function = types.ModuleType("cupy.cuda.function")
    cupy.cuda.function.CPointer = CPointer
    cupy.cuda.runtime = types.SimpleNamespace(getDeviceCount=lambda: DEVICES, streamPerThread=-2,
                                              getDevice=current, runtimeGetVersion=lambda: 13020,
                                              getDeviceProperties=lambda n: {"name": f"Fake {n}".encode()})
    cupy.linalg, cupy.fft = np.linalg, np.fft
    modules = {"cupy": cupy, "cupy.cuda": cupy.cuda, "cupy.cuda.device": cupy.cuda,
               "cupy.cuda.function": cupy.cuda.function,
               "cupy.linalg": np.linalg, "cupy.fft": np.fft}
    cupy.cuda.__path__ = []  # a package
    return modules
