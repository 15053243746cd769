"""The known plug-ins, backends and kernel tables: found by entry points once, or registered by hand.

One lock is held while anything is found, loaded, registered or listed. A call that has been made before needs
none: it finds its backend in `by_type`, and its kernels in what `Backend.resolve` remembers. The lock is also
held during a fork, so that the child finds everything loaded or nothing begun.
"""

from __future__ import annotations

import os
import threading
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnkit.backends.backend import Backend
    from cnnkit.backends.table import KernelTable

lock: threading.RLock = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)

backends: dict[str, Backend] = {}
tables: dict[str, KernelTable] = {}
broken: dict[str, str] = {}  # name of a plug-in that could not be imported -> the reason
by_type: dict[type, Backend | None] = {bool: None, int: None, float: None}
discovered: set[str] = set()  # groups of entry points that are all loaded
_discovering: set[str] = set()  # a plug-in may ask for backends while it is imported: it sees those before it
shipped_names: set[str] = set()  # names of the tables and backends that cnnkit itself ships


class Plugin:
    """Base of what an entry point may name: a `Backend` or a `KernelTable`."""

    name: str


def discover(group: str, registry: dict[Any, Any]) -> None:
    """Load the entry points of `group` once; one that fails warns, names itself, and breaks nothing."""
    with lock:
        if group in discovered or group in _discovering:
            return
        _discovering.add(group)
        try:
            _load(group, registry)
            discovered.add(group)
        finally:
            _discovering.discard(group)


def _load(group: str, registry: dict) -> None:
    from importlib import metadata

    entries = metadata.entry_points(group=group)
    shipped = [e for e in entries if e.dist is not None and e.dist.name == "cnnkit"]
    others = [e for e in entries if e not in shipped]
    shipped_names.update(e.name for e in shipped)
    for entry in (*others, *shipped):  # others first: of two backends for one array type the first counts
        if entry.name in registry:
            continue
        try:
            plugin = entry.load()
            if not isinstance(plugin, Plugin):
                raise TypeError(f"it names a {type(plugin).__name__}, not a Backend or KernelTable")
            registry[entry.name] = plugin
        except Exception as error:  # a plug-in may fail in any way, and must not take cnnkit with it
            broken[entry.name] = f"{type(error).__name__}: {error}"
            warnings.warn(f"cnnkit ignores the plug-in {entry.name!r} ({entry.value}), which could not "
                          f"be imported: {broken[entry.name]}", RuntimeWarning, stacklevel=4)


def all_backends() -> dict[str, Backend]:
    """Every backend that a plug-in names or somebody registered, by name."""
    with lock:
        discover("cnnkit.backends", backends)
        return dict(backends)


def kernel_tables(backend: str | None = None) -> list[KernelTable]:
    """All kernel tables, or one backend's, the highest priority first."""
    with lock:
        discover("cnnkit.kernels", tables)
        return sorted((t for t in tables.values() if backend in (None, t.backend)), key=lambda t: -t.priority)


def backend_for(kind: type) -> Backend | None:
    """The backend of an array type: the one that names it or the nearest of its base classes."""
    cached = by_type.get(kind) or getattr(kind, "__cnnkit_backend__", None)  # a type may bring its own
    if cached is not None:
        by_type[kind] = cached
        return cached
    with lock:
        known = all_backends().values()
        for base in kind.__mro__:
            for backend in known:
                if f"{base.__module__}:{base.__qualname__}" in backend.array_types:
                    by_type[kind] = backend
                    return backend
    return None
