"""Choosing: where new arrays are made (`use`), and which kernel tables serve them (`tables`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from cnnkit.backends.backend import Backend
from cnnkit.backends.registry import get, kernel_tables
from cnnkit.backends.state import default, local


def current() -> Backend:
    """The backend that new arrays are made with in this thread (NumPy unless `use` said otherwise)."""
    return local.backend or default.backend or get("numpy")


def current_device() -> str | None:
    """The device that new arrays are made on, or ``None`` for the backend's own default."""
    return local.device if local.backend else default.device


def _own_tables(name: str | Backend | ModuleType, backend: Backend) -> tuple[str, ...]:
    """``use("numpy")`` runs the backend's own table only, ``use("cpu")`` the table ``cpu`` above it."""
    named = name.split(":", 1)[0] if isinstance(name, str) else backend.name
    return tuple(dict.fromkeys((named, backend.name)))


class use:
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
        self._before = (default.backend, default.device, default.tables)
        if name is None:
            self._chosen: tuple = (None, None, None)
        else:
            backend = get(name)
            device = name.split(":", 1)[1] if isinstance(name, str) and ":" in name else None
            self._chosen = (backend, device, _own_tables(name, backend))
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
    """Serve ops from these kernel tables only, in this thread, until the block's end; none means generic ops only."""
    known = {t.name for t in kernel_tables()}
    unknown = [n for n in names if n not in known]
    if unknown:
        raise ValueError(f"there is no kernel table {unknown[0]!r}; there are {', '.join(sorted(known)) or 'none'}")
    before, local.tables = local.tables, names or ("",)
    try:
        yield
    finally:
        local.tables = before
