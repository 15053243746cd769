"""Kernel tables: faster kernels, by the name of an op or by the pattern of the chains that they fuse."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from cnnkit.backends.chain import Chain, Pattern
from cnnkit.backends.kernel import Kernel, ask
from cnnkit.backends.native import NativeCalls
from cnnkit.backends.plugins import Plugin, lock

Kernels = Mapping[str | Pattern, Kernel | tuple[Kernel, ...]]
Watched = Callable[[str, str | Pattern, Kernel], Kernel]


class Runtime(Protocol):
    """The threads and memory behind a table's kernels, where these can be described or set."""

    def describe(self) -> str:
        """One line that `list` shows."""

    def get_num_threads(self) -> int:
        """How many threads a kernel uses at most."""

    def set_num_threads(self, count: int) -> None:
        """Use `count` threads from now on."""

    def release_memory(self) -> None:
        """Give back memory that is kept for the next call."""


@runtime_checkable
class TimesThreads(Protocol):
    """Optional for a `Runtime`: it says how long its threads worked."""

    def watch_threads(self, on: bool) -> None:
        """Begin, from 0, or end to measure."""

    def threads_time(self) -> tuple[float, float]:
        """Seconds that kernels ran on several threads, and that these worked then, all of them together."""


@runtime_checkable
class MeasuresPeak(Protocol):
    """Optional for a `Runtime`: it finds out what the processor can do at most."""

    def peak_flops(self) -> float:
        """Multiplications and additions a second, on all threads."""

    def peak_bandwidth(self) -> float:
        """Bytes a second between the processor and its memory, on all threads."""


@dataclass
class KernelTable(Plugin):
    """Faster kernels for one backend's arrays, by name, or by pattern for a kernel that fuses ops.

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
        tried in order.
    priority : float
        The highest is tried first.
    available : callable
        Returns ``True``, or the reason why the table cannot be used here.
    runtime : Runtime, optional
        The table's threads and memory, if it has its own.
    missing : callable
        Returns what is slow because a part of the table could not be built, and why; or nothing. It is a
        `UserWarning` when the table is first looked at for an op.
    native : callable, optional
        Makes what notes the kernels' native calls, so that `cnnkit.capture` can make them again.
    by_name : bool
        Whether the table serves only where `use` or `tables` names it: then it is nobody's default.
    """

    name: str
    backend: str
    kernels: Kernels | Callable[[], Kernels]
    priority: float = 0.0
    available: Callable[[], bool | str] = lambda: True
    runtime: Runtime | None = None
    missing: Callable[[], str] = lambda: ""
    native: Callable[[], NativeCalls] | None = None
    by_name: bool = False
    _warned: bool = field(default=False, repr=False)

    def warn_once(self) -> None:
        """Warn of what is missing, unless that has been done."""
        if not self._warned:
            self._warned = True
            if missing := self.missing():
                warnings.warn(f"kernel table {self.name!r}: {missing}", UserWarning, stacklevel=2)

    def load(self) -> Kernels:
        """The kernels, made now if they were not made yet."""
        kernels = self.kernels
        if callable(kernels):
            with lock:
                kernels = self.kernels
                if callable(kernels):
                    self.kernels = kernels = kernels()
        return kernels


@dataclass(frozen=True)
class Tables:
    """One backend's kernels under one selection: what the dispatcher looks into at every call."""

    # name of an op, update, draw or look-up -> its kernels in the order in which they are tried
    single: dict[str, tuple[Kernel, ...]]
    root: Chain                                # the empty chain, from which all chains grow
    patterns: tuple[tuple[Pattern, Kernel], ...]

    @classmethod
    def of(cls, tables: Iterable[KernelTable]) -> Tables:
        """Merge the available tables; they are tried in the order given."""
        tables = [*tables]
        for table in tables:
            table.warn_once()
        return cls.merged([(table.name, table.load()) for table in tables if table.available() is True])

    @classmethod
    def merged(cls, tables: Iterable[tuple[str, Kernels]],
               watched: Watched = lambda table, key, kernel: kernel) -> Tables:
        """Merge the tables' kernels; they are tried in the order given.

        `watched` gets a table's name, one of its keys and the kernel under that key, and returns the
        kernel that replaces it.
        """
        single: dict[str, tuple[Kernel, ...]] = {}
        patterns: list[tuple[Pattern, Kernel]] = []
        for table, kernels in tables:
            for key, value in kernels.items():
                for kernel in value if isinstance(value, tuple) else (value,):
                    serving = watched(table, key, kernel)
                    if isinstance(key, str):
                        single[key] = (*single.get(key, ()), serving)
                    else:
                        patterns.append((key, serving))
        return cls(single, Chain.root(patterns), tuple(patterns))

    def of_chain(self, ops: Sequence[Any]) -> tuple[Kernel, ...]:
        """The kernels that fuse exactly this chain of ops, in the order in which they are tried."""
        chains = self.root.along(ops)
        return chains[-1].kernels if len(chains) == len(ops) > 1 else ()

    def ask(self, name: str, arguments: Sequence[Any], settings: Mapping[str, Any]) -> Any:
        """Try the kernels called `name` in order; ``NotImplemented`` where none serves the call."""
        return ask(self.single.get(name, ()), arguments, settings)
