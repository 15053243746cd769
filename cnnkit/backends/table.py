"""Kernel tables: faster functions, by the name of what they do or by the pattern of the chains of ops that
they take in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cnnkit.backends.chain import Chain, Pattern
from cnnkit.backends.kernel import Kernel, ask
from cnnkit.backends.plugins import Plugin

Kernels = Mapping[str | Pattern, Kernel | tuple[Kernel, ...]]
Watched = Callable[[str, str | Pattern, Kernel], Kernel]


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
    """Faster kernels for one backend's arrays, by name, or by a pattern of ops and roles for a kernel
    that fuses them.

    Parameters
    ----------
    name : str
        What users pass to `use` and `tables`.
    backend : str
        The backend whose arrays the kernels take.
    kernels : mapping or callable
        ``{"conv": function, ("conv", "activation?", "pool?"): function}``, or a callable that makes it on
        first use. A kernel has the signature of its kind (`cnnkit.backends.KINDS`); for an op, the op's
        own. It returns `decline`'s ``NotImplemented`` for what it does not serve. A tuple of kernels is
        asked in its order.
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


@dataclass(frozen=True)
class Tables:
    """One backend's kernels under one selection: what the dispatcher looks into at every call."""

    # op, update, draw or look-up -> its kernels in the order in which they are asked
    single: dict[str, tuple[Kernel, ...]]
    root: Chain                                # of all chains that patterns of the tables allow
    patterns: tuple[tuple[Pattern, Kernel], ...]

    @classmethod
    def of(cls, tables: Iterable[KernelTable]) -> Tables:
        """Merge the tables that are available, asked in the order given."""
        return cls.merged([(table.name, table.load()) for table in tables if table.available() is True])

    @classmethod
    def merged(cls, tables: Iterable[tuple[str, Kernels]],
               watched: Watched = lambda table, key, kernel: kernel) -> Tables:
        """Merge kernels, asked in the order given.

        `watched` is given a table's name, one of its keys and a kernel that stands there, and returns the
        kernel that is asked in its place.
        """
        single: dict[str, tuple[Kernel, ...]] = {}
        patterns: list[tuple[Pattern, Kernel]] = []
        for table, kernels in tables:
            for key, found in kernels.items():
                for kernel in found if isinstance(found, tuple) else (found,):
                    serving = watched(table, key, kernel)
                    if isinstance(key, str):
                        single[key] = (*single.get(key, ()), serving)
                    else:
                        patterns.append((key, serving))
        return cls(single, Chain.root(patterns), tuple(patterns))

    def of_chain(self, ops: Sequence[Any]) -> tuple[Kernel, ...]:
        """The kernels that take in a chain of ops as a whole, in the order in which they are asked."""
        chains = self.root.along(ops)
        return chains[-1].kernels if len(chains) == len(ops) > 1 else ()

    def ask(self, name: str, arguments: Sequence, settings: Mapping[str, Any]) -> Any:
        """Ask the kernels called `name` in order; ``NotImplemented`` where there is none or none
        serves the call.
        """
        return ask(self.single.get(name, ()), arguments, settings)
