"""Kernel tables: faster functions for ops, by op name or by a tuple of op names that they fuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cnnkit.backends.plugins import Plugin

Kernels = Mapping[str | tuple[str, ...], Callable]


class Runtime(Protocol):
    """The machinery behind a table's kernels, where there is something to say of it or to set."""

    def describe(self) -> str:
        """What `list` shows of it, on one line."""

    def get_num_threads(self) -> int:
        """How many threads a kernel uses at most."""

    def set_num_threads(self, count: int) -> None:
        """Use so many from now on."""

    def release_memory(self) -> None:
        """Give back memory that is kept for the next call."""


@dataclass
class KernelTable(Plugin):
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
    runtime : Runtime, optional
        Threads and memory of its own.
    """

    name: str
    backend: str
    kernels: Kernels | Callable[[], Kernels]
    priority: float = 0.0
    available: Callable[[], bool | str] = lambda: True
    runtime: Runtime | None = None

    def load(self) -> Kernels:
        """The kernels, made now if they were not made yet."""
        if callable(self.kernels):
            self.kernels = self.kernels()
        return self.kernels


class Beginning:
    """A beginning of fused keys, or a whole one: `key`, and by which ops it goes on in longer ones."""

    __slots__ = ("key", "longer")

    def __init__(self, key: tuple[str, ...] = ()):
        self.key = key
        self.longer: dict[str, Beginning] = {}

    def add(self, key: tuple[str, ...]) -> None:
        """Enter a fused key, op by op."""
        beginning = self
        for name in key:
            beginning = beginning.longer.setdefault(name, Beginning((*beginning.key, name)))


@dataclass(frozen=True)
class Tables:
    """One backend's kernels under one selection: what the dispatcher looks into at every call."""

    single: dict[str, tuple[Callable, ...]]
    fused: dict[tuple[str, ...], tuple[Callable, ...]]
    root: Beginning  # of all fused keys, without an op

    @classmethod
    def of(cls, tables: Iterable[KernelTable]) -> Tables:
        """Merge the tables that are available, asked in the order given."""
        single: dict[str, tuple[Callable, ...]] = {}
        fused: dict[tuple[str, ...], tuple[Callable, ...]] = {}
        for table in tables:
            if table.available() is True:
                for key, kernel in table.load().items():
                    if isinstance(key, str):
                        single[key] = (*single.get(key, ()), kernel)
                    else:
                        fused[key] = (*fused.get(key, ()), kernel)
        root = Beginning()
        for names in fused:
            root.add(names)
        return cls(single, fused, root)
