"""The registry: backends and tables registered by hand, listed, named, and picked by the array's type."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from cnnkit.backends.backend import ArrayAPIBackend, Backend, Unavailable
from cnnkit.backends.naming import canonical
from cnnkit.backends.plugins import all_backends as _all_backends
from cnnkit.backends.plugins import backend_for, kernel_tables
from cnnkit.backends.plugins import backends as _backends
from cnnkit.backends.plugins import broken as _broken
from cnnkit.backends.plugins import by_type as _by_type
from cnnkit.backends.plugins import lock as _lock
from cnnkit.backends.plugins import shipped_names as _shipped_names
from cnnkit.backends.plugins import tables as _tables
from cnnkit.backends.state import Selection
from cnnkit.backends.table import KernelTable
from cnnkit.foreign import is_tensor


def register(backend: Backend) -> Backend:
    """Add a backend by hand, or replace the one of the same name; plug-ins use the entry point instead.

    Of two backends for one array type the one that was registered last counts, and plug-ins count
    before cnnkit's own.
    """
    with _lock:
        remaining = {name: other for name, other in _all_backends().items() if name != backend.name}
        _backends.clear()
        _backends.update({backend.name: backend, **remaining})
        for cached in [t for t, b in [*_by_type.items()] if b is not None]:
            del _by_type[cached]
    return backend


def register_table(table: KernelTable | None = None, *, remove: str | None = None) -> None:
    """Add a kernel table by hand, or take away the one called `remove`."""
    with _lock:
        kernel_tables()
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


class Unlisted(ArrayAPIBackend):
    """A backend that no plug-in names: made for an array type with its own namespace, without kernels."""

    def selected(self, names: Selection) -> builtins.list[KernelTable]:
        return []


def _resolve_type(array: Any) -> Backend:
    kind = type(array)
    with _lock:
        backend = backend_for(kind)
        if backend is not None:
            return backend
        # a Tensor has a namespace too, and is no array: what runs on it are calls of the tape
        if kind not in _by_type and hasattr(array, "__array_namespace__") and not is_tensor(array):
            namespace = array.__array_namespace__()
            backend = Unlisted(namespace.__name__, namespace, (f"{kind.__module__}:{kind.__qualname__}",))
            _by_type[kind] = backend
            return backend
    raise TypeError(f"cnnkit got a value of type {kind.__module__}.{kind.__qualname__}, which is no array "
                    f"of a known backend ({', '.join(_all_backends())}) and has no Array API namespace; "
                    "make a Tensor with cnnkit.tensor(...)")


def namespace_of(array: Any) -> Any:
    """The Array API namespace of `array` (0.2 us; ``array_api_compat.array_namespace`` costs 3 us)."""
    return backend_of(array).namespace


def get(name: str | Backend | ModuleType) -> Backend:
    """The available backend with this name, or of this kernel table or array namespace.

    ``"cuda"`` and ``"gpu"`` are other words for ``"cupy"``; ``"auto"`` is the fastest that is available.

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
        matches = [b for b in _all_backends().values()
                   if b.available() is True and b.namespace.__name__ == name.__name__]
        return matches[0] if matches else ArrayAPIBackend(name.__name__, name)
    name = canonical(name).split(":", 1)[0]
    kernel_tables()
    if name in _broken:
        raise Unavailable(f"backend {name!r} could not be imported: {_broken[name]}")
    backends = _all_backends()
    table: KernelTable | None = None
    if name not in backends and (table := _tables.get(name)) is not None:
        name = table.backend
    if name not in backends:
        raise ValueError(f"there is no backend {name!r}. {_inventory()}")
    parts: builtins.list[Backend | KernelTable] = [backends[name], *([table] if table else [])]
    for part in parts:
        reason = part.available()
        if reason is not True:
            raise Unavailable(f"backend {part.name!r} is not available: {reason}. {_inventory()}")
    return backends[name]


def _inventory() -> str:
    available, unavailable = [], [f"{name} ({reason})" for name, reason in [*_broken.items()]]
    parts: builtins.list[Backend | KernelTable] = [*_all_backends().values()]
    parts += [t for t in kernel_tables() if t.name not in _all_backends()]
    for part in parts:
        reason = part.available()
        if reason is True:
            available.append(part.name)
        else:
            unavailable.append(f"{part.name} ({reason})")
    rest = f" Not available: {'; '.join(unavailable)}." if unavailable else ""
    return f"Available: {', '.join(available)}.{rest}"


def _hidden(table: KernelTable, before: Sequence[KernelTable]) -> builtins.list[str]:
    """For a table that cnnkit does not ship: the tables that are asked before it, and for which keys."""
    if table.name in _shipped_names or table.available() is not True:
        return []
    notes = []
    for other in before:
        shared = [key if isinstance(key, str) else "+".join(key)
                  for key in table.load() if key in other.load()]
        if shared:
            notes.append(f"{other.name} is asked first for {', '.join(shared)}, because its priority is "
                         f"{other.priority:g}, not {table.priority:g}; use({table.name!r}) changes that")
    return notes


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
    memory: str = ""


def list() -> Any:  # the public name is cnnkit.backends.list()
    """Every installed backend: name, library and version, device, kernel tables in order of priority.

    Returns
    -------
    list of BackendInfo
        `reason` says why a backend is not available. A table is shown with its description in brackets
        (instruction set, compiler, threads), or why it is not available; one that somebody added also with
        the keys for which another table, of a higher priority, is asked before it.

    >>> [row.available for row in list() if row.name == "numpy"]
    [True]
    """
    rows = []
    for name, backend in _all_backends().items():
        table_rows = []
        before: builtins.list[KernelTable] = []
        for table in kernel_tables(name):
            reason = table.available()
            description = table.runtime.describe() if reason is True and table.runtime is not None else reason
            notes = ([] if description is True else [str(description)]) + _hidden(table, before)
            table_rows.append(f"{table.name} [{'; '.join(notes)}]" if notes else table.name)
            before += [table] if reason is True else []
        reason = backend.available()
        available = reason is True
        rows.append(BackendInfo(name, backend.distribution or name, backend.version() if available else "-",
                                backend.device() if available else "-", tuple(table_rows), available,
                                "" if available else str(reason), backend.memory() if available else ""))
    rows += [BackendInfo(name, name, "-", "-", (), False, reason) for name, reason in [*_broken.items()]]
    return rows
