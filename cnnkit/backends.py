"""The registry of backends: which array library runs an op, and which kernel tables make it faster.

A backend is found by an entry point (group ``cnnkit.backends``) or registered by hand. It needs no kernels: any
library that follows the Python Array API runs all of cnnkit. Kernel tables (group ``cnnkit.kernels``) add speed op by
op. The *array* decides what runs it (`backend_of`); `use` only says where new arrays are made, and which tables serve.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["ArrayAPIBackend", "Backend", "KernelTable", "Tables", "Unavailable", "backend_of", "current", "dtype_name",
           "get", "list", "namespace_of", "register", "register_table", "tables", "use"]

Array = Any
DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "float16", "bfloat16", "float32", "float64", "complex64", "complex128")


class Unavailable(RuntimeError):
    """A backend or kernel table is known but cannot be used here; the message says why."""


class Backend:
    """What cnnkit must know of an array library. Subclass it, or use `ArrayAPIBackend` where the defaults do.

    Attributes
    ----------
    name : str
        What users pass to `use`, ``Tensor.to`` and ``--backend``.
    array_types : tuple of str
        ``"module:qualified name"`` of the array types, as text, so that nothing is imported to compare them.
    distribution : str
        The installed distribution whose version `list` shows.
    """

    name = ""
    array_types: tuple[str, ...] = ()
    distribution = ""

    def available(self) -> bool | str:
        """``True``, or the reason why this backend cannot be used here."""
        return True

    @property
    def namespace(self) -> Any:
        """The Array API namespace that makes and transforms this backend's arrays."""
        raise NotImplementedError(f"backend {self.name!r} must define `namespace`")

    def asarray(self, data: Any, dtype: Any = None, device: str | None = None) -> Array:
        """Copy `data` (numbers, nested lists, a NumPy array, an array of this backend) into a new array."""
        if not self.owns(data):
            data = np.array(data)
        kwargs = {} if device is None else {"device": device}
        return self.namespace.asarray(data, dtype=None if dtype is None else self.dtype(dtype), copy=True, **kwargs)

    def to_numpy(self, array: Array) -> np.ndarray:
        """The array's values as a NumPy array; it may share memory with `array`."""
        try:
            return np.asarray(array)
        except (TypeError, RuntimeError, ValueError):
            return np.from_dlpack(array)

    def synchronize(self) -> None:
        """Return when everything that was started on the device has finished."""

    def device(self) -> str:
        """The device that new arrays are made on, in words."""
        return "cpu"

    @cached_property
    def dtypes(self) -> tuple[str, ...]:
        """Names of the dtypes that the array library has."""
        return tuple(n for n in DTYPES if hasattr(self.namespace, n))

    def dtype(self, dtype: Any) -> Any:
        """This library's dtype object for a name (``"float32"``) or for any library's dtype object."""
        name = dtype_name(dtype)
        if name not in self.dtypes:
            raise TypeError(f"backend {self.name!r} has no dtype {name!r}; it has {', '.join(self.dtypes)}")
        return getattr(self.namespace, name)

    def owns(self, array: Any) -> bool:
        """Whether `array` is one of this backend's arrays."""
        return any(f"{t.__module__}:{t.__qualname__}" in self.array_types for t in type(array).__mro__)

    def version(self) -> str:
        """The array library's version."""
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return "unknown version"

    def resolve(self) -> Tables:
        """The kernels that serve this backend now, in order, under the selection of `use` and `tables`."""
        selection = _local.tables or _default.tables
        try:
            return self.__dict__["_resolved"][selection]
        except KeyError:
            resolved = self.__dict__.setdefault("_resolved", {})
            resolved[selection] = Tables.of(self, selection)
            return resolved[selection]

    def __repr__(self) -> str:
        return f"<backend {self.name}>"


class ArrayAPIBackend(Backend):
    """A backend made from nothing but an Array API namespace, given as a module or as its import name.

    >>> import numpy
    >>> ArrayAPIBackend("plain", numpy, ("numpy:ndarray",)).asarray([1.0], "float32").dtype
    dtype('float32')
    """

    def __init__(self, name: str, namespace: ModuleType | str, array_types: tuple[str, ...] = (), distribution: str = ""):
        self.name, self.array_types = name, array_types
        self.distribution = distribution or name
        self._namespace = namespace

    def available(self) -> bool | str:
        if isinstance(self._namespace, str) and importlib.util.find_spec(self.distribution.replace("-", "_")) is None:
            return f"{self.distribution} is not installed (pip install {self.distribution})"
        return True

    @cached_property
    def namespace(self) -> Any:
        return importlib.import_module(self._namespace) if isinstance(self._namespace, str) else self._namespace


@dataclass
class KernelTable:
    """Faster kernels for one backend's arrays, by op name, or by a tuple of op names for a fused kernel.

    Parameters
    ----------
    name : str
        What users pass to `use` and `tables`.
    backend : str
        The backend whose arrays the kernels take.
    kernels : mapping or callable
        ``{"conv2d": function, ("conv2d", "relu"): function}``, or a callable that makes it on first use. A kernel has
        its op's own signature and result; it returns ``NotImplemented`` for what it does not serve.
    priority : float
        The highest is asked first.
    available : callable
        Returns ``True``, or the reason why the table cannot be used here.
    """

    name: str
    backend: str
    kernels: Mapping[str | tuple[str, ...], Callable] | Callable[[], Mapping[str | tuple[str, ...], Callable]]
    priority: float = 0.0
    available: Callable[[], bool | str] = lambda: True

    def load(self) -> Mapping[str | tuple[str, ...], Callable]:
        """The kernels, made now if they were not made yet."""
        if callable(self.kernels):
            self.kernels = self.kernels()
        return self.kernels


@dataclass(frozen=True)
class Tables:
    """One backend's kernels under one selection: what the dispatcher looks into at every call."""

    single: dict[str, tuple[Callable, ...]]
    fused: dict[tuple[str, ...], tuple[Callable, ...]]
    prefixes: frozenset[tuple[str, ...]]  # every proper beginning of a fused key

    @classmethod
    def of(cls, backend: Backend, selection: tuple[str, ...] | None) -> Tables:
        single: dict[str, tuple[Callable, ...]] = {}
        fused: dict[tuple[str, ...], tuple[Callable, ...]] = {}
        for table in _tables_of(backend.name):
            if (selection is None or table.name in selection) and table.available() is True:
                for key, kernel in table.load().items():
                    if isinstance(key, str):
                        single[key] = (*single.get(key, ()), kernel)
                    else:
                        fused[key] = (*fused.get(key, ()), kernel)
        return cls(single, fused, frozenset(key[:n] for key in fused for n in range(1, len(key))))


class _Local(threading.local):
    """What `use` and `tables` chose for this thread; ``None`` falls back to the process's choice."""

    backend: Backend | None = None
    device: str | None = None
    tables: tuple[str, ...] | None = None


class _Default:
    backend: Backend | None = None
    device: str | None = None
    tables: tuple[str, ...] | None = None


_local = _Local()
_default = _Default()
_lock = threading.RLock()
_backends: dict[str, Backend] = {}
_tables: dict[str, KernelTable] = {}
_broken: dict[str, str] = {}  # plug-ins that could not be imported, with the reason
_by_type: dict[type, Backend | None] = {bool: None, int: None, float: None}
_discovered: set[str] = set()


def _discover(group: str, into: dict) -> None:
    """Load the entry points of `group` once; one that fails warns, names itself, and breaks nothing."""
    with _lock:
        if group in _discovered:
            return
        _discovered.add(group)
        for entry in importlib.metadata.entry_points(group=group):
            if entry.name in into:
                continue
            try:
                plugin = entry.load()
                if not isinstance(plugin, Backend | KernelTable):
                    raise TypeError(f"it names a {type(plugin).__name__}, not a Backend or KernelTable")
                into[entry.name] = plugin
            except Exception as error:  # a plug-in may fail in any way, and must not take cnnkit with it
                _broken[entry.name] = f"{type(error).__name__}: {error}"
                warnings.warn(f"cnnkit ignores the plug-in {entry.name!r} ({entry.value}), which could not be imported: "
                              f"{_broken[entry.name]}", RuntimeWarning, stacklevel=3)


def _all_backends() -> dict[str, Backend]:
    if "cnnkit.backends" not in _discovered:
        _discover("cnnkit.backends", _backends)
    return _backends


def _tables_of(backend: str) -> list[KernelTable]:
    if "cnnkit.kernels" not in _discovered:
        _discover("cnnkit.kernels", _tables)
    return sorted((t for t in _tables.values() if t.backend == backend), key=lambda t: -t.priority)


def register(backend: Backend) -> Backend:
    """Add a backend by hand, or replace the one of the same name; plug-ins use the entry point instead."""
    with _lock:
        _all_backends()[backend.name] = backend
        for cached in [t for t, b in _by_type.items() if b is not None]:
            del _by_type[cached]
    return backend


def register_table(table: KernelTable | None = None, *, remove: str | None = None) -> None:
    """Add a kernel table by hand, or take away the one called `remove`."""
    with _lock:
        _tables_of("")
        if table is not None:
            _tables[table.name] = table
        if remove is not None:
            _tables.pop(remove, None)
        for backend in {*_all_backends().values(), *(b for b in _by_type.values() if b)}:
            backend.__dict__.pop("_resolved", None)


def backend_of(array: Any) -> Backend:
    """The backend that runs ops on `array`: its type decides, looked up once and then from a dict.

    Raises
    ------
    TypeError
        If `array` is no array of a known backend and has no Array API namespace of its own.

    >>> import numpy
    >>> backend_of(numpy.zeros(3))
    <backend numpy>
    """
    backend = _by_type.get(type(array))
    return backend if backend is not None else _resolve_type(array)


def _resolve_type(array: Any) -> Backend:
    kind = type(array)
    for base in kind.__mro__:
        for backend in _all_backends().values():
            if f"{base.__module__}:{base.__qualname__}" in backend.array_types:
                _by_type[kind] = backend
                return backend
    if kind not in _by_type and hasattr(array, "__array_namespace__"):
        namespace = array.__array_namespace__()
        backend = ArrayAPIBackend(namespace.__name__, namespace, (f"{kind.__module__}:{kind.__qualname__}",))
        _by_type[kind] = backend
        return backend
    raise TypeError(f"cnnkit got a value of type {kind.__module__}.{kind.__qualname__}, which is no array of a known backend "
                    f"({', '.join(_all_backends())}) and has no Array API namespace; make a Tensor with cnnkit.tensor(...)")


def namespace_of(array: Any) -> Any:
    """The Array API namespace of `array` (0.2 us; ``array_api_compat.array_namespace`` costs 3 us)."""
    return backend_of(array).namespace


def dtype_name(dtype: Any) -> str:
    """A dtype's plain name, whichever library it comes from.

    >>> import numpy
    >>> dtype_name(numpy.float32), dtype_name(numpy.dtype("int64")), dtype_name("bool")
    ('float32', 'int64', 'bool')
    """
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
    name = {"bool_": "bool", "float": "float64", "int": "int64"}.get(name, name)
    return name.rsplit(".", 1)[-1]


def get(name: str | Backend | ModuleType) -> Backend:
    """The available backend called `name` (a kernel table's name gives its backend; a namespace, a plain backend).

    Raises
    ------
    ValueError
        If there is no such backend; the message lists what is installed and what could be.
    Unavailable
        If it is known but cannot be used here; the message says why.
    """
    if isinstance(name, Backend):
        return name
    if isinstance(name, ModuleType):
        known = [b for b in _all_backends().values() if b.available() is True and b.namespace is name]
        return known[0] if known else ArrayAPIBackend(name.__name__, name)
    name = name.split(":", 1)[0]
    _tables_of("")
    if name in _broken:
        raise Unavailable(f"backend {name!r} could not be imported: {_broken[name]}")
    backends = _all_backends()
    table = None
    if name not in backends and name in _tables:
        table = _tables[name]
        name = table.backend
    if name not in backends:
        raise ValueError(f"there is no backend {name!r}. {_inventory()}")
    for part in (backends[name], table):
        reason = True if part is None else part.available()
        if reason is not True:
            raise Unavailable(f"backend {part.name!r} is not available: {reason}. {_inventory()}")
    return backends[name]


def _inventory() -> str:
    here, absent = [], [f"{name} ({reason})" for name, reason in _broken.items()]
    for part in (*_all_backends().values(), *(t for t in _tables.values() if t.name not in _all_backends())):
        reason = part.available()
        if reason is True:
            here.append(part.name)
        else:
            absent.append(f"{part.name} ({reason})")
    return f"Available: {', '.join(here)}." + (f" Not available: {'; '.join(absent)}." if absent else "")


def current() -> Backend:
    """The backend that new arrays are made with in this thread (NumPy unless `use` said otherwise)."""
    return _local.backend or _default.backend or get("numpy")


def current_device() -> str | None:
    """The device that new arrays are made on, or ``None`` for the backend's own default."""
    return _local.device if _local.backend else _default.device


def _own_tables(name: str | Backend | ModuleType, backend: Backend) -> tuple[str, ...]:
    """``use("numpy")`` runs the backend's own table only, ``use("cpu")`` the table ``cpu`` above it."""
    named = name.split(":", 1)[0] if isinstance(name, str) else backend.name
    return tuple(dict.fromkeys((named, backend.name)))


class use:  # noqa: N801 - reads as a verb, like open() and range()
    """Make new arrays with this backend from now on, or inside a ``with`` block only.

    As a call it holds for the whole process; as a context manager it holds for this thread, until the block's end.
    Arrays that exist stay what they are: `Tensor.to` and `Module.to` move them.

    Parameters
    ----------
    name : str
        A backend (``"numpy"``, ``"cupy"``, ``"cupy:1"``), or a kernel table (``"cpu"``: NumPy arrays with that table).
        A backend's own name leaves out the tables that others add to it. ``None`` goes back to the default:
        NumPy with every table that is available.

    Raises
    ------
    ValueError, Unavailable
        As `get` does.

    >>> import cnnkit
    >>> with cnnkit.use("numpy"):
    ...     cnnkit.tensor([1.0]).backend
    'numpy'
    """

    def __init__(self, name: str | Backend | ModuleType | None):
        self._before = (_default.backend, _default.device, _default.tables)
        if name is None:
            self._chosen: tuple = (None, None, None)
        else:
            backend = get(name)
            device = name.split(":", 1)[1] if isinstance(name, str) and ":" in name else None
            self._chosen = (backend, device, _own_tables(name, backend))
        _default.backend, _default.device, _default.tables = self._chosen

    def __enter__(self) -> Backend:
        _default.backend, _default.device, _default.tables = self._before
        self._outer = (_local.backend, _local.device, _local.tables)
        _local.backend, _local.device, _local.tables = self._chosen
        return current()

    def __exit__(self, *exc: object) -> None:
        _local.backend, _local.device, _local.tables = self._outer

    def __repr__(self) -> str:
        return f"use({self._chosen[0].name if self._chosen[0] else None!r})"


@contextmanager
def tables(*names: str) -> Iterator[None]:
    """Serve ops from these kernel tables only, in this thread, until the block's end; none means generic ops only."""
    known = {t.name for t in _tables.values()} if _tables_of("") == [] else set()
    unknown = [n for n in names if n not in known]
    if unknown:
        raise ValueError(f"there is no kernel table {unknown[0]!r}; there are {', '.join(sorted(known)) or 'none'}")
    before, _local.tables = _local.tables, names or ("",)
    try:
        yield
    finally:
        _local.tables = before


@dataclass(frozen=True)
class BackendInfo:
    """One row of `list`: a backend as it stands on this machine."""

    name: str
    library: str
    version: str
    device: str
    tables: tuple[str, ...]
    available: bool
    reason: str = ""


def list() -> Any:  # the public name is cnnkit.backends.list()
    """Every backend that is installed: name, array library and version, device, kernel tables in order of priority.

    Returns
    -------
    list of BackendInfo
        `reason` says why a backend is not available; a table that is not is shown with its reason in brackets.

    >>> [row.available for row in list() if row.name == "numpy"]
    [True]
    """
    rows = []
    for name, backend in _all_backends().items():
        served = []
        for table in _tables_of(name):
            reason = table.available()
            served.append(table.name if reason is True else f"{table.name} [{reason}]")
        reason = backend.available()
        here = reason is True
        rows.append(BackendInfo(name, backend.distribution or name, backend.version() if here else "-",
                                backend.device() if here else "-", tuple(served), here, "" if here else str(reason)))
    rows += [BackendInfo(name, name, "-", "-", (), False, reason) for name, reason in _broken.items()]
    return rows
