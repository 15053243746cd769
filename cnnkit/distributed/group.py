"""The processes that this one works with: starting, and who is who."""

from __future__ import annotations

import datetime
import math
from typing import Any

from cnnkit.distributed.communicator import Alone, Communicator
from cnnkit.distributed.strategy import MPI, Strategy, strategy_of
from cnnkit.foreign import whole

__all__ = ["barrier", "communicator", "destroy_process_group", "get_rank", "get_world_size", "grow_to",
           "init", "init_process_group", "is_available", "is_initialized", "rank", "use",
           "wanted_size", "world_size"]

TIMEOUT = 600.0  # seconds

_current: Communicator | None = None
_strategy: type | None = None  # that has made it
_wanted = 0


def init(strategy: str | Strategy | None = None, *,
         timeout: float | datetime.timedelta = TIMEOUT) -> None:
    """Join the processes that a launcher (``mpiexec``, ``srun``) has started; alone, it is one process.

    `train.fit` does this by itself where a launcher has started several.

    Parameters
    ----------
    strategy : {"mpi", "mpi+nccl", "one"} or Strategy, optional
        What connects them; MPI by default. PyTorch's names ``"gloo"`` and ``"nccl"`` mean the first two.
    timeout : float or timedelta
        Seconds that a call waits for the other processes, before it raises RankTimeout.

    Raises
    ------
    ImportError
        If a launcher has started several processes, and mpi4py or an MPI library is missing.
    ValueError
        If there is no such strategy, or the processes are connected by another one already.

    >>> init()
    >>> rank(), world_size()
    (0, 1)
    """
    global _current, _strategy
    chosen = MPI() if strategy is None else strategy_of(strategy)
    seconds = timeout.total_seconds() if isinstance(timeout, datetime.timedelta) else float(timeout)
    if not 0 < seconds < math.inf:
        raise ValueError(f"timeout must be a number of seconds above 0, got {timeout!r}")
    if _current is None or isinstance(_current, Alone):
        _current, _strategy = chosen.connect(seconds), type(chosen)
    elif strategy is not None and type(chosen) is not _strategy:
        by = "`distributed.use`" if _strategy is None else _strategy.__name__
        raise ValueError(f"strategy={strategy!r}: the processes are connected by {by} already; leave it "
                         "out, or call cnnkit.distributed.destroy_process_group() before")


def init_process_group(backend: str | None = None, init_method: str | None = None,
                       timeout: Any = None, world_size: int = -1, rank: int = -1, **settings: Any) -> None:
    """`init` by PyTorch's name: the launcher knows rank and number, which are ignored here."""
    init(backend, timeout=TIMEOUT if timeout is None else timeout)


def use(communicator: Communicator | None) -> None:
    """Let another `Communicator` connect this process with others; ``None`` leaves it alone.

    `init` does so with what a `Strategy` gives; after a loss `train.fit` does, with that of the others.
    """
    global _current, _strategy
    _current, _strategy = communicator, None if communicator is None else _strategy


def grow_to(size: int) -> None:
    """Let `train.fit` start the processes that are missing to `size`, at the end of the epoch.

    They run the script from its beginning, as the others did, and join them in `fit`. So lost ranks are
    replaced, and a run gets machines that were not free before: the launcher decides where. Any rank may call
    it, from a callback too.

    >>> grow_to(4)
    >>> wanted_size()
    4
    >>> grow_to(0)
    """
    global _wanted  # noqa: PLW0603
    _wanted = whole("size", size, 0)


def wanted_size() -> int:
    """What `grow_to` was told."""
    return _wanted


def communicator() -> Communicator:
    """The current one; that of a single process before `init`."""
    return Alone() if _current is None else _current


def is_available() -> bool:
    """``True``: a single process is a group too."""
    return True


def is_initialized() -> bool:
    """Whether `init` was called."""
    return _current is not None


def rank() -> int:
    """The number of this process among those that work together, from 0."""
    return communicator().rank


def world_size() -> int:
    """How many processes work together."""
    return communicator().size


def get_rank(group: Any = None) -> int:
    """`rank` by PyTorch's name."""
    return rank()


def get_world_size(group: Any = None) -> int:
    """`world_size` by PyTorch's name."""
    return world_size()


def barrier(group: Any = None) -> None:
    """Wait until all processes are here."""
    communicator().barrier()


def destroy_process_group(group: Any = None) -> None:
    """Be a single process again, after the others have come here too."""
    global _current, _strategy  # noqa: PLW0603
    communicator().barrier()
    _current = _strategy = None
