"""Choosing: where new arrays are made (`use`), and which kernel tables serve them (`tables`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import ModuleType
from typing import Any

from cnnkit.backends.backend import Backend
from cnnkit.backends.naming import canonical
from cnnkit.backends.plugins import kernel_tables
from cnnkit.backends.registry import backend_of, get
from cnnkit.backends.state import default, local

NO_SWITCH = nullcontext()


def current() -> Backend:
    """The backend that new arrays are made with in this thread (NumPy unless `use` said otherwise)."""
    return local.backend or default.backend or get("numpy")


def current_device() -> Any:
    """The device object that new arrays are made on, or ``None`` for the backend's default."""
    return local.device if local.backend else default.device


def place(name: str | Backend | ModuleType | None) -> tuple[Backend, Any]:
    """The backend and device of a name such as ``"cupy:1"``; of ``None``, where new arrays are made now.

    Raises
    ------
    ValueError, Unavailable
        As `get` and `Backend.locate` do.

    >>> place("numpy")
    (<backend numpy>, None)
    """
    if name is None:
        return current(), current_device()
    name = canonical(name) if isinstance(name, str) else name
    backend = get(name)
    return backend, backend.locate(name.split(":", 1)[1]) if isinstance(name, str) and ":" in name else None


def on(array: Any) -> AbstractContextManager:
    """A block in which the array's library works on the array's device; for work on arrays outside ops."""
    backend = backend_of(array)
    return backend.on(array.device) if backend.switches else NO_SWITCH


def _tables_of(name: str | Backend | ModuleType, backend: Backend) -> tuple[str, ...]:
    """``use("numpy")`` runs the backend's own table only, ``use("cpu")`` the table ``cpu`` above it."""
    named = canonical(name).split(":", 1)[0] if isinstance(name, str) else backend.name
    return tuple(dict.fromkeys((named, backend.name)))


class use:
    """Make new arrays with this backend from now on, or inside a ``with`` block only.

    As a call it holds for the whole process; as a context manager it holds for this thread, until the block's
    end. Existing arrays stay where they are: `Tensor.to` and `Module.to` move them.

    Parameters
    ----------
    name : str
        A backend (``"numpy"``, ``"cupy"``, ``"cupy:1"``), or a kernel table (``"cpu"``: NumPy arrays with
        that table). A backend's own name leaves out the tables that others add to it. ``"cuda"`` and
        ``"gpu"`` mean ``"cupy"``; ``"auto"`` is CuPy where it is available, else ``"cpu"``, else ``"numpy"``.
        ``None`` goes back to the default: NumPy with every table that is available.

    Raises
    ------
    ValueError, Unavailable
        As `get` and `Backend.locate` do.

    >>> import cnnkit
    >>> with cnnkit.use("numpy"):
    ...     cnnkit.tensor([1.0]).backend
    'numpy'
    """

    def __init__(self, name: str | Backend | ModuleType | None):
        self._before = (default.backend, default.device, default.tables)
        if name is None:
            self._chosen: tuple = (None, None, None)
        else:
            backend, device = place(name)
            self._chosen = (backend, device, _tables_of(name, backend))
        default.backend, default.device, default.tables = self._chosen

    def __enter__(self) -> Backend:
        default.backend, default.device, default.tables = self._before
        self._outer = (local.backend, local.device, local.tables)
        local.backend, local.device, local.tables = self._chosen
        return current()

    def __exit__(self, *exc: object) -> None:
        local.backend, local.device, local.tables = self._outer

    def __repr__(self) -> str:
        return f"use({self._chosen[0].name if self._chosen[0] else None!r})"


@contextmanager
def tables(*names: str) -> Iterator[None]:
    """Serve ops from these kernel tables only, in this thread, until the block's end; none: generic ops."""
    installed = [t.name for t in kernel_tables()]
    unknown = [n for n in names if n not in installed]
    if unknown:
        raise ValueError(f"there is no kernel table {unknown[0]!r}; "
                         f"there are {', '.join(sorted(installed)) or 'none'}")
    # `installed` is sorted by priority
    outer, local.tables = local.tables, tuple(name for name in installed if name in names) or ("",)
    try:
        yield
    finally:
        local.tables = outer
