"""MPI by mpi4py. Every wait has an end: it polls, and gives up when a rank dies or the time is over.

A rank that dies is noticed where the MPI library can tell (Open MPI 5: ``mpiexec --with-ft ulfm``); the
others can go on then. Elsewhere MPI itself ends all ranks.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import itertools
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from cnnkit.distributed.errors import GrowthError, RankLost, RankTimeout

__all__ = ["MPICommunicator", "started_by_mpi", "world"]

# how launchers tell a process that it is one of several
SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "MPI_LOCALNRANKS")
JOINS = "CNNKIT_JOINS"  # of a process that joins others: how many they are then
LOST = "CNNKIT_LOST"    # of one that joins others which have lost a rank
EAGER = 0.001     # seconds of polling without a pause: a step's messages come at once
PAUSE = 0.0002    # seconds between two looks after that
FINALIZE = 5.0    # seconds that MPI may take to end after a loss
ORPHANED = 30.0   # seconds, at most, that a process goes on when its launcher has ended

_ending: _Ending | None = None  # once a rank was lost
_abandoned: list[MPIRequest] = []  # MPI may still write to their arrays


def started_by_mpi() -> int:
    """How many processes a launcher of MPI says that it has started; 1 where there was none."""
    names = JOINS, *SIZES
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdigit()), 1)


def world(timeout: float) -> MPICommunicator:
    """All processes that MPI has started.

    Raises
    ------
    ImportError
        If mpi4py, or an MPI library, is not installed.
    """
    try:
        import mpi4py

        mpi4py.rc.initialize = False  # it holds Python's lock while it waits: no watch could end it
        from mpi4py import MPI

        with _watched(timeout):
            _initialize(MPI)
            joins = JOINS in os.environ
            comm = MPI.Comm.Get_parent().Merge(high=True) if joins else MPI.COMM_WORLD.Dup()
    except ImportError as error:
        raise ImportError("training on several processes needs MPI: pip install 'cnnkit[mpi]' "
                          f"({error})") from error
    except RuntimeError as error:  # mpi4py is there and no MPI library
        raise ImportError(f"mpi4py finds no MPI library: pip install 'cnnkit[mpi]' ({error})") from error
    patience = min(timeout, ORPHANED)
    threading.Thread(target=_end_without_launcher, args=(os.getppid(), patience), daemon=True).start()
    communicator = MPICommunicator(MPI, comm, timeout)
    if LOST in os.environ:
        communicator.end_in_time()
    return communicator


def _initialize(MPI: Any) -> None:
    """MPI_Init_thread, unless the program has called it; ctypes lets Python's other threads run meanwhile."""
    if not MPI.Is_initialized():
        provided, library = ctypes.c_int(), ctypes.CDLL(MPI.__file__)
        status = library.MPI_Init_thread(None, None, MPI.THREAD_MULTIPLE, ctypes.byref(provided))
        if status != MPI.SUCCESS:
            raise RuntimeError(f"MPI_Init_thread gives the error {status}")
        for comm in (MPI.COMM_WORLD, MPI.COMM_SELF):  # as mpi4py does it: errors are exceptions
            comm.Set_errhandler(MPI.ERRORS_RETURN)
        atexit.register(_finalize, MPI)


def _finalize(MPI: Any) -> None:
    """MPI_Finalize, unless it was called; Python's other threads run meanwhile."""
    if not MPI.Is_finalized():
        ctypes.CDLL(MPI.__file__).MPI_Finalize()


@contextlib.contextmanager
def _watched(timeout: float) -> Iterator[None]:
    """End the process if the block, which waits in C for others, has not ended in time."""
    watch = threading.Timer(timeout, _not_started, [timeout])
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _not_started(seconds: float) -> None:
    print(f"MPI has not started within {seconds:.0f} s: a process may have died. This one ends "
          "(cnnkit.distributed.init(timeout=...) waits longer)", file=sys.stderr, flush=True)
    os._exit(1)


def _end_without_launcher(launcher: int, seconds: float) -> None:
    """End a process that is left over when the launcher has ended, after some time to write a checkpoint."""
    while os.getppid() == launcher:
        time.sleep(0.5)
    time.sleep(seconds)
    with contextlib.suppress(OSError):  # who read it may have ended as well
        print("the launcher of MPI has ended: this process ends too", file=sys.stderr, flush=True)
    os._exit(1)


class MPICommunicator:
    """Ranks that MPI connects; see `Communicator`.

    Parameters
    ----------
    MPI : module
        ``mpi4py.MPI``.
    comm : MPI.Comm
        Belongs to this object alone.
    timeout : float
        Seconds that a call waits for the other ranks.
    """

    timeout: float
    rank: Any
    size: Any

    def __init__(self, MPI: Any, comm: Any, timeout: float):
        self._mpi, self._comm, self.timeout = MPI, comm, timeout
        comm.Set_errhandler(MPI.ERRORS_RETURN)
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        lost = (vars(MPI).get(f"ERR_{name}") for name in ("PROC_FAILED", "PROC_FAILED_PENDING", "REVOKED"))
        self._lost = {code for code in lost if code is not None}
        self._channels: tuple[MPICommunicator, MPICommunicator] | None = None
        self._requests: list[MPIRequest] = []  # that were started and may be under way

    def __repr__(self) -> str:
        return f"MPICommunicator(rank={self.rank}, size={self.size}, host={socket.gethostname()!r})"

    def allgather(self, values: np.ndarray) -> np.ndarray:
        values = np.ascontiguousarray(values)
        result = np.empty((self.size, *values.shape), values.dtype)
        self._wait(lambda: self._comm.Iallgather(values, result))
        return result

    def exchange(self, parts: Sequence[np.ndarray], sizes: Sequence[int]) -> list[np.ndarray]:
        received = self.start_exchange(parts, sizes).result()
        ends = np.cumsum([0, *sizes])
        return [received[begin:end] for begin, end in itertools.pairwise(ends)]

    def start_exchange(self, parts: Sequence[np.ndarray], sizes: Sequence[int]) -> MPIRequest:
        sent = parts[0] if len(parts) == 1 else np.concatenate(parts)
        received = np.empty(sum(sizes), sent.dtype)
        kind = self._mpi._typedict[sent.dtype.char]
        return self._start(lambda: self._comm.Ialltoallv([sent, [part.size for part in parts], kind],
                                                         [received, list(sizes), kind]), received)

    def gather_parts(self, part: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
        return self.start_gather_parts(part, sizes).result()

    def start_gather_parts(self, part: np.ndarray, sizes: Sequence[int]) -> MPIRequest:
        part = np.ascontiguousarray(part)
        result = np.empty(sum(sizes), part.dtype)
        kind = self._mpi._typedict[part.dtype.char]
        return self._start(lambda: self._comm.Iallgatherv([part, part.size, kind],
                                                          [result, list(sizes), kind]), result)

    def broadcast(self, data: bytes | None, source: int = 0) -> bytes:
        length = np.array([len(data or b"")], np.int64)
        self._wait(lambda: self._comm.Ibcast(length, source))
        content = (np.empty(int(length[0]), np.uint8) if data is None
                   else np.frombuffer(data, np.uint8).copy())
        step = 1 << 30  # counts are C's int in older libraries
        for begin in range(0, content.size, step):
            part = content[begin:begin + step]
            self._wait(lambda part=part: self._comm.Ibcast(part, source))
        return content.tobytes()

    def barrier(self) -> None:
        self._wait(self._comm.Ibarrier)

    def channels(self) -> tuple[MPICommunicator, MPICommunicator]:
        if self._channels is None:
            self._channels = self._duplicate(), self._duplicate()
        return self._channels

    def _duplicate(self) -> MPICommunicator:
        """A channel. Where a rank has died, all others learn that here together."""
        try:
            with _watched(self.timeout):
                # unlike Dup, it ends in the same way on all ranks whoever dies meanwhile
                comm = self._comm.Shrink()
        except (AttributeError, NotImplementedError):  # no fault tolerance in this library
            comm = self._comm.Dup()
        except self._mpi.Exception as error:
            raise RankLost("a rank has died while channels were opened to the others") from error
        if comm.Get_size() < self.size:
            raise RankLost(f"{self.size - comm.Get_size()} of {self.size} ranks have died")
        return MPICommunicator(self._mpi, comm, self.timeout)

    def abandon(self) -> None:
        for channel in self._channels or ():
            channel._revoke()
            if open_requests := [request for request in channel._requests if not request.over()]:
                _abandoned.extend(open_requests)
                self.end_in_time()
        self._channels = None

    def leave(self) -> None:
        if self.size > 1:
            self._revoke()

    def check(self) -> None:
        """Raise RankLost if a rank has died, or has left."""
        try:
            self._comm.Iprobe()  # lets MPI see to what has come
            lost = self._comm.Is_revoked() or self._comm.Get_failed().Get_size()
        except (AttributeError, NotImplementedError):  # no fault tolerance: MPI itself ends all ranks
            return
        except self._mpi.Exception as error:
            self.raise_error(error)
        if lost:
            raise RankLost(self._another_lost())

    def give_up(self) -> None:
        """Let the other ranks end with this process: nobody knows where one of them is."""
        self.end_in_time().abort = True

    def recover(self) -> MPICommunicator:
        try:
            self._revoke()
            self.abandon()
            with _watched(self.timeout):
                comm = self._comm.Shrink()
        except (AttributeError, NotImplementedError, self._mpi.Exception) as error:
            raise RankLost("a rank has died, and this MPI library cannot go on without it "
                           f"({error}); start again with resume=True") from error
        self.end_in_time()
        return MPICommunicator(self._mpi, comm, self.timeout)

    def grow(self, size: int) -> MPICommunicator:
        # the same command once more, wherever the launcher has room
        known = [f"{JOINS}={size}", *([] if _ending is None else [f"{LOST}=1"])]
        command = [*known, sys.executable, *sys.orig_argv[1:]]
        try:
            with _watched(self.timeout):
                joined = self._comm.Spawn("env", command, size - self.size).Merge(high=False)
        except self._mpi.Exception as error:
            if error.Get_error_class() in self._lost:
                self.raise_error(error)
            raise GrowthError(f"no more processes than {self.size} could be started ({error})") from error
        return MPICommunicator(self._mpi, joined, self.timeout)

    def end_in_time(self) -> _Ending:
        """Let the process leave MPI in time when it ends: a rank was lost."""
        global _ending  # noqa: PLW0603
        if _ending is None:
            _ending = _Ending(self._mpi)
        return _ending

    def _revoke(self) -> None:
        """Wake the ranks that wait here or in a channel."""
        # without fault tolerance the others wait until their time is over, or MPI ends them
        for communicator in (self, *(self._channels or ())):
            with contextlib.suppress(AttributeError, NotImplementedError, self._mpi.Exception):
                communicator._comm.Revoke()

    def _wait(self, start: Any) -> None:
        """Start an operation and poll until it is done."""
        MPIRequest(self, start, None).result()

    def _start(self, start: Any, received: np.ndarray) -> MPIRequest:
        request = MPIRequest(self, start, received)
        self._requests = [other for other in self._requests if not other.over()] + [request]
        return request

    def raise_timeout(self, waited: float) -> NoReturn:
        """The others have not come."""
        self.give_up()
        raise RankTimeout(f"rank {self.rank} of {self.size} has waited {waited:.0f} s for the "
                          "other ranks, which have not come; a longer time: "
                          f"cnnkit.distributed.init(timeout={2 * self.timeout:.0f})")

    def raise_error(self, error: Exception) -> NoReturn:
        """An error of MPI, as what it means."""
        if error.Get_error_class() in self._lost:  # type: ignore[attr-defined]
            raise RankLost(self._another_lost()) from error
        raise error

    def _another_lost(self) -> str:
        return (f"rank {self.rank} of {self.size} has lost another rank: its process has died or it has "
                "raised an error")


class MPIRequest:
    """An operation under way.

    Parameters
    ----------
    communicator : MPICommunicator
    start : callable
        Begins it, and returns MPI's request.
    received : array or None
        Where its result comes to.
    """

    def __init__(self, communicator: MPICommunicator, start: Any, received: Any):
        self._communicator, self._received = communicator, received
        self._error: Exception | None = None
        self._request: Any = None
        try:
            self._request = start()
        except communicator._mpi.Exception as error:
            self._error = error

    def over(self) -> bool:
        """Whether nothing more will happen, good or bad."""
        if self._request is not None:
            try:
                if self._request.Test():
                    self._request = None
            except self._communicator._mpi.Exception as error:
                self._error, self._request = error, None
        return self._request is None

    def has_come(self) -> bool:
        """Whether the result is there."""
        return self.over() and self._error is None

    def result(self) -> Any:
        """What has come, after a wait that has an end."""
        begin = time.monotonic()
        while not self.over():
            waited = time.monotonic() - begin
            if waited > self._communicator.timeout:
                self._communicator.raise_timeout(waited)
            time.sleep(0 if waited < EAGER else PAUSE)
        if self._error is not None:
            self._communicator.raise_error(self._error)
        return self._received


class _Ending:
    """How the process leaves MPI after a loss: MPI_Finalize may wait for the dead for ever."""

    def __init__(self, MPI: Any):
        self._mpi = MPI
        self.abort = False  # whether the other ranks are to end too, wherever they are
        atexit.register(self)

    def __call__(self) -> None:
        failed = int(vars(sys).get("last_type") is not None)  # an exception ends the process
        sys.stdout.flush()
        sys.stderr.flush()
        if self.abort:
            self._mpi.COMM_WORLD.Abort(1)
        thread = threading.Timer(FINALIZE, os._exit, [failed])
        thread.daemon = True
        thread.start()
        _finalize(self._mpi)
        thread.cancel()
