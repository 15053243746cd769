"""What `use`, `tables` and `precision` chose: for the whole process, and for one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnkit.backends.setting import Setting

if TYPE_CHECKING:
    from cnnkit.backends.backend import Backend
    from cnnkit.backends.table import Tables

Selection = tuple[str, ...] | None  # names of the kernel tables that serve; None: every one that is available


class Watch:
    """Takes the place of a selection: `tables` gives the tables that serve a backend (watched ones)."""

    names: Selection
    tables: Callable[..., Tables]

    def __init__(self, names: Selection, tables: Callable[[Backend], Tables]):
        self.names, self.tables = names, tables


@dataclass(frozen=True, eq=False, slots=True)
class Choice:
    """Where new arrays are made, and which tables serve: one object, so that nobody sees a mix of two."""

    backend: Backend | None = None     # None: NumPy
    device: Any = None                 # None: the backend's default
    tables: Selection | Watch = None
    places: bool = True                # False in a block of `tables`: new arrays go where the process says


class _Local(threading.local):
    """The reason of the last kernel that declined in this thread, and the algorithm of the last that told."""

    declined: str = ""
    algorithm: str = ""


class _Default:
    """What holds in the whole process, outside of blocks."""

    @property
    def backend(self) -> Backend | None:
        return choice.process.backend

    @property
    def device(self) -> Any:
        return choice.process.device

    @property
    def tables(self) -> Selection | Watch:
        return choice.process.tables

    @property
    def precision(self) -> str:
        return precision.process


choice: Setting[Choice] = Setting(Choice())
precision: Setting[str] = Setting("fast")
local: _Local = _Local()
default: _Default = _Default()
