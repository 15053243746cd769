"""What a launch would move on a GPU: sectors of arrays, passes over the banks of shared memory.

The 32 lanes of a warp that execute an instruction make one request. Accesses to an array are served in
sectors of 32 bytes; the least that a request needs follows from the bytes it asks for. Shared memory has 32
banks of 4 bytes: lanes that want different words of one bank wait for each other. A warp that asks for 8 or
16 bytes a lane is served in halves or quarters. Variables of a thread do not count. Lanes are put together by
instruction and by how often each has executed it since the last barrier, which is exact where they take the
same turns, and an estimate where they do not; what caches do is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Site", "Traffic"]


@dataclass(frozen=True)
class Site:
    """One instruction that loads or stores.

    Attributes
    ----------
    line : str
        Its place in the source, as ``"conv.cu:42"``.
    shared, writes : bool
        Shared memory, or an array; a store, or a load.
    size : int
        Bytes of each lane.
    requests, bytes : int
        How often a warp executed it, and what all lanes together asked for.
    actual, least : int
        Sectors of an array, or passes over the banks; and the fewest that would do.
    """

    line: str
    shared: bool
    writes: bool
    size: int
    requests: int
    bytes: int
    actual: int
    least: int


@dataclass(frozen=True)
class Traffic:
    """One launch: its kernel, the bytes of its outputs, and every instruction that accessed memory.

    The ratios are 1 where nothing is wasted, and None where there was no such access.
    """

    kernel: str
    output_bytes: int
    sites: tuple[Site, ...]

    def ratio(self, shared: bool, writes: bool) -> float | None:
        """Sectors (or passes) over the fewest that would do, of all loads or all stores."""
        return _ratio(s for s in self.sites if s.shared == shared and s.writes == writes)

    @property
    def loads(self) -> float | None:
        """Sectors loaded from arrays, over the minimum."""
        return self.ratio(False, False)

    @property
    def stores(self) -> float | None:
        """Sectors stored to arrays, over the minimum."""
        return self.ratio(False, True)

    @property
    def shared_loads(self) -> float | None:
        """Conflict factor of loads from shared memory: 32 where all lanes want other words of one bank."""
        return self.ratio(True, False)

    @property
    def shared_stores(self) -> float | None:
        """Conflict factor of stores to shared memory."""
        return self.ratio(True, True)

    @property
    def sectors_per_request(self) -> float | None:
        """Sectors that a warp's load from an array takes on average."""
        loads = [s for s in self.sites if not s.shared and not s.writes]
        return sum(s.actual for s in loads) / sum(s.requests for s in loads) if loads else None

    @property
    def written(self) -> float | None:
        """Bytes stored to arrays, over the bytes of the outputs."""
        stored = sum(s.bytes for s in self.sites if s.writes and not s.shared)
        return stored / self.output_bytes if self.output_bytes else None


def _ratio(sites: Iterable[Site]) -> float | None:
    sites = list(sites)
    return sum(s.actual for s in sites) / sum(s.least for s in sites) if sites else None
