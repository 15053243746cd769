"""Strategy: by what `train.fit` works with other processes, or an engine that is a file of somebody's own."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from cnnkit.distributed.communicator import Alone, Communicator
from cnnkit.distributed.linked import Linked
from cnnkit.distributed.mpi import started_by_mpi, world

__all__ = ["MPI", "MPIWithLinks", "OneProcess", "Strategy", "strategy_of"]


@runtime_checkable
class Strategy(Protocol):
    """How this process comes to the others: given to ``train.fit(..., strategy=)`` or to `init`.

    Another engine (Ray, Dask, sockets) is a class with this method, and one with those of `Communicator`:
    ``examples/cluster/socket_strategy.py`` is both in one file.
    """

    def connect(self, timeout: float) -> Communicator:
        """Join the other processes, and return what connects this one with them; `Alone` if there are none.

        Parameters
        ----------
        timeout : float
            Seconds that this call, and each one of the communicator, waits for the others before it raises
            RankTimeout.
        """


class OneProcess:
    """This process alone, whatever has started it.

    >>> OneProcess().connect(1.0).size
    1
    """

    def connect(self, timeout: float) -> Communicator:
        return Alone()


class MPI:
    """The processes that a launcher of MPI has started; one process where there is no launcher.

    >>> MPI().connect(1.0).size
    1
    """

    def connect(self, timeout: float) -> Communicator:
        return world(timeout) if started_by_mpi() > 1 else Alone()


class MPIWithLinks:
    """The same, where gradients go from device to device by what their backend has: NCCL, for CuPy's arrays.

    Messages between the processes, and arrays of backends without such links, go by MPI.

    >>> MPIWithLinks().connect(1.0).size
    1
    """

    def connect(self, timeout: float) -> Communicator:
        return Linked(world(timeout), timeout) if started_by_mpi() > 1 else Alone()


BY_NAME: dict[str, type[OneProcess | MPI | MPIWithLinks]] = {
    "one": OneProcess, "mpi": MPI, "mpi+nccl": MPIWithLinks,
    "gloo": MPI, "nccl": MPIWithLinks, "cpu:gloo,cuda:nccl": MPIWithLinks}  # PyTorch's names


def strategy_of(strategy: str | Strategy) -> Strategy:
    """The strategy of a name, or the one that is given.

    >>> type(strategy_of("mpi")).__name__
    'MPI'
    """
    if not isinstance(strategy, str):
        if not isinstance(strategy, Strategy):
            raise TypeError(f"strategy must be one of {', '.join(BY_NAME)}, or have a method "
                            f"connect(timeout); got {strategy!r}")
        return strategy
    if strategy not in BY_NAME:
        raise ValueError(f"there is no strategy {strategy!r}; there are {', '.join(BY_NAME)}, and any object "
                         "with a method connect(timeout)")
    return BY_NAME[strategy]()
