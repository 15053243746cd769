"""Choosing: where new arrays are made (`use`), and which kernel tables serve them (`tables`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from types import ModuleType
from typing import Any, ClassVar

from cnnkit.backends.backend import Backend
from cnnkit.backends.device import device
from cnnkit.backends.naming import canonical
from cnnkit.backends.plugins import all_backends, kernel_tables
from cnnkit.backends.registry import backend_of, get
from cnnkit.backends.setting import Setting, Switch
from cnnkit.backends.state import Choice, choice

NO_SWITCH = nullcontext()


def current() -> Backend:
    """The backend that new arrays are made with in this thread (NumPy unless `use` said otherwise)."""
    return _chosen_place()[0]


def current_device() -> Any:
    """The device object that new arrays are made on, or ``None`` for the backend's default."""
    return _chosen_place()[1]


def _chosen_place() -> tuple[Backend, Any]:
    chosen = choice.get()
    if not chosen.places:
        chosen = choice.process
    return chosen.backend or get("numpy"), chosen.device


def place(name: str | Backend | ModuleType | device | None) -> tuple[Backend, Any]:
    """The backend and device of a name such as ``"cupy:1"``; of ``None``, where new arrays are made now.

    A `device` is a name too: ``device("cpu")`` is where new arrays are made, if that is on the CPU, and
    NumPy otherwise.

    Raises
    ------
    ValueError, Unavailable
        As `get` and `Backend.locate` do.

    >>> place("numpy")
    (<backend numpy>, None)
    """
    if name is None:
        return _chosen_place()
    if isinstance(name, device):
        if name.backend is not None:
            return name.backend, name.native
        if name.type == "cpu":
            backend, native = _chosen_place()
            return (backend, native) if "cpu" in backend.device().lower() else (get("numpy"), None)
        name = str(name)
    name = canonical(name) if isinstance(name, str) else name
    backend = get(name)
    return backend, backend.locate(name.split(":", 1)[1]) if isinstance(name, str) and ":" in name else None


def on(array: Any) -> AbstractContextManager[Any]:
    """A block in which the array's library works on the array's device; for work on arrays outside ops."""
    backend = backend_of(array)
    return backend.on(array.device) if backend.switches else NO_SWITCH


def sharing(kind: int) -> Backend | None:
    """The backend in use if its arrays can be in the memory of DLPack's device type `kind`, or another one.

    ``None`` where no backend that is available can share it.
    """
    others = sorted(all_backends().values(), key=lambda b: (not b.host, not kernel_tables(b.name)))
    return next((b for b in (place(None)[0], *others) if kind in b.shares and b.available() is True), None)


def _tables_of(name: str | Backend | ModuleType, backend: Backend) -> tuple[str, ...]:
    """``use("numpy")`` runs the backend's own table only, ``use("cpu")`` the table ``cpu`` above it."""
    named = canonical(name).split(":", 1)[0] if isinstance(name, str) else backend.name
    return tuple(dict.fromkeys((named, backend.name)))


class use(Switch[Choice]):
    """Make new arrays with this backend from now on, or inside a ``with`` block only.

    As a call it holds for the whole process; as a context manager it holds for this thread, until the block's
    end, and no other thread notices it. (An object that is kept, ``chosen = use(...)``, is a call as soon as
    this thread makes an array; if it is entered first, it is a block.) A block holds for what its thread runs
    until its end: in a coroutine or a generator, leave it before ``await`` or ``yield``. Existing arrays stay
    where they are: `Tensor.to` and `Module.to` move them.

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

    setting: ClassVar[Setting[Any]] = choice

    def __init__(self, name: str | Backend | ModuleType | None):
        if name is None:
            super().__init__(Choice())
        else:
            backend, device = place(name)
            super().__init__(Choice(backend, device, _tables_of(name, backend)))

    def __enter__(self) -> Backend:
        backend = self._chosen.backend or get("numpy")
        super().__enter__()
        return backend

    def __repr__(self) -> str:
        return f"use({self._chosen.backend.name if self._chosen.backend else None!r})"


@contextmanager
def tables(*names: str) -> Iterator[None]:
    """Serve ops from these kernel tables only, in this thread, until the block's end; none: generic ops."""
    installed = [t.name for t in kernel_tables()]
    unknown = [n for n in names if n not in installed]
    if unknown:
        raise ValueError(f"there is no kernel table {unknown[0]!r}; "
                         f"there are {', '.join(sorted(installed)) or 'none'}")
    # `installed` is sorted by priority
    outer = choice.here()
    choice.thread.value = replace(outer or Choice(places=False),
                                  tables=tuple(name for name in installed if name in names) or ("",))
    try:
        yield
    finally:
        choice.thread.value = outer
