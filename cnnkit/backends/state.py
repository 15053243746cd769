"""What `use`, `tables` and `precision` chose: for the whole process, and for one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnkit.backends.backend import Backend
    from cnnkit.backends.table import Tables

Selection = tuple[str, ...] | None  # names of the kernel tables that serve; None: every one that is available


class Watch:
    """Takes the place of a selection: `tables` gives the tables that serve a backend (watched ones)."""

    def __init__(self, names: Selection, tables: Callable[[Backend], Tables]):
        self.names, self.tables = names, tables


class _Local(threading.local):
    """This thread's choices (``None``: the process's), and the reason of the last kernel that declined."""

    declined: str = ""
    backend: Backend | None = None
    device: Any = None
    tables: Selection | Watch = None
    precision: str | None = None


class _Default:
    backend: Backend | None = None
    device: Any = None
    tables: Selection = None
    precision: str | None = None


local = _Local()
default = _Default()
