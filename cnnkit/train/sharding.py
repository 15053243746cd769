"""Sharding: an update computed in shards, so that its bits do not depend on how many processes share them.

Every batch is cut into shards. Each gives a gradient of its own, from random numbers of its own, and all are
added in the order of one tree (`distributed.tree`), wherever they were computed. Every rank then makes the
same update. Ranks speak at fixed places: with the figures of an update's shards, with their gradients, and
after the callbacks on whether to go on; so whoever fails can say so there.
"""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cnnkit import distributed, nn
from cnnkit.data.sharded import ShardedBatch, sharded
from cnnkit.distributed import Channel, Growing, GrowthError, Overlapping, RankError, RankLost, Strategy
from cnnkit.distributed.buckets import bucket_size
from cnnkit.distributed.lockstep import Lockstep
from cnnkit.distributed.messages import tell, tell_text
from cnnkit.distributed.tree import owned
from cnnkit.evaluation.contracts import AnyLoss, Loader
from cnnkit.evaluation.evaluate import Scores
from cnnkit.evaluation.metrics import Metric
from cnnkit.foreign import whole
from cnnkit.train.identity import numerics
from cnnkit.train.packed import packed, unpacked
from cnnkit.train.parameters import parameters
from cnnkit.train.shards import FAILED, FINE, Shards, message_size
from cnnkit.train.slow_ranks import SlowRanks
from cnnkit.train.state import restore, state_of
from cnnkit.train.validation import FIGURES, measure_shared

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["Sharding", "shared_with_others", "telling_others"]

SHARDS = 8
WIDE = 4         # bytes of a number that travels, at least
FEW_BUCKETS = 2
SHORT = 5  # numbers: the message of `agree`


def shared_with_others(shards: int | None, strategy: str | Strategy | None = None) -> Sharding | None:
    """How `fit` computes in shards; ``None`` where that was not asked for and there are no other processes.

    >>> shared_with_others(None) is None, shared_with_others(8).shards
    (True, 8)
    """
    if strategy is not None or shards is not None or distributed.started_by_mpi() > 1:
        distributed.init(strategy)
    communicator = distributed.communicator()
    if shards is not None:
        shards = whole("shards", shards)
    if shards is None and communicator.size == 1:
        return None
    return Sharding(max(SHARDS, communicator.size) if shards is None else shards, communicator)


@contextmanager
def telling_others(sharding: Sharding | None) -> Iterator[None]:
    """Tell the other ranks of an error in the block, so that they do not wait for this one."""
    try:
        yield
    except BaseException as error:
        if sharding is not None:
            sharding.failed(error)
        raise


class Sharding:
    """The part of a run that computes updates in shards, with the other ranks.

    Parameters
    ----------
    shards : int
        Into how many parts each batch is cut. It belongs to the run: with other shards the bits are others.
    communicator : Communicator
        What connects the ranks.
    """

    shards: int

    def __init__(self, shards: int, communicator: distributed.Communicator):
        self.shards, self.communicator = shards, communicator
        self.agreed_pause: bool = False
        self._expected = SHORT  # how many numbers the other ranks wait for
        self._lockstep: Lockstep | None = None  # where shards meet within an update
        self._message_size = SHORT
        self._channels: tuple[Channel, Channel] | None = None  # for gradients, while others are computed
        self._wanted = 0          # how many ranks there are to be after this epoch
        self._seconds = 0.0       # that this rank's part of the last update took
        self._slow = SlowRanks([""])
        self._spoken = False      # whether an error was told, or came from another rank

    @property
    def mine(self) -> range:
        """The shards of this rank."""
        return owned(self.shards, self.communicator.rank, self.communicator.size)

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes files and shows progress."""
        return self.communicator.rank == 0

    # -- beginning, going on after a loss --------------------------------------------------------------------

    def begin(self, run: Run) -> None:
        """Give all ranks the state of the first one: weights, optimizer, random numbers, order."""
        self._message_size = message_size(self.shards, run)
        self._lockstep = self._meetings(run)
        if self.communicator.size > 1:
            self._begin_together(run)

    def _begin_together(self, run: Run) -> None:
        self.agree(run)  # an error before this is told here
        self._share_state(run, 0)
        self._know_others(run)

    def _know_others(self, run: Run) -> None:
        """Learn where the ranks are, and warn where their bits may differ; open channels to them."""
        self._channels = None
        if isinstance(self.communicator, Overlapping) and self._has_many_gradients(run):
            self._channels = self.communicator.channels()
        self._slow = SlowRanks(tell_text(self.communicator, socket.gethostname()))
        facts = "; ".join(f"{name} {value}" for name, value in numerics(run).items())
        told = tell_text(self.communicator, facts)
        if others := [rank for rank, text in enumerate(told) if text != told[0]]:
            run.reporter.note(f"rank {others[0]} computes by {told[others[0]]}, and rank 0 by {told[0]}: "
                              "the last bits of the weights may depend on which rank computes what")

    def _has_many_gradients(self, run: Run) -> bool:
        """Whether it is worth sending them while others are computed; no last shard is replayed alone."""
        count = sum(parameter.numel() for parameter in parameters(run.optimizer))
        return count * WIDE > FEW_BUCKETS * bucket_size(self.communicator.size)

    def _meetings(self, run: Run) -> Lockstep | None:
        """Where shards meet within an update: in the model's layers that normalise over the whole batch."""
        synchronous = [module for module in run.model.modules() if isinstance(module, nn.SyncBatchNorm)]
        if not synchronous or self.shards == 1:
            return None
        shared = {id(buffer) for module in synchronous for buffer in module.buffers()}
        for name, module in run.model.named_modules():
            if any(id(buffer) not in shared for buffer in module.buffers(recurse=False)):
                raise ValueError(f"layer {name} ({type(module).__name__}) has buffers, and the model has "
                                 "SyncBatchNorm layers, whose shards compute at the same time; convert all "
                                 "of them: nn.SyncBatchNorm.convert_sync_batchnorm(model)")
        room = max(1 + 2 * module.num_features for module in synchronous)
        return Lockstep(self.shards, room, self._told)

    def recover(self, run: Run, error: RankLost) -> None:
        """Go on with the ranks that are left, all from the state of the one that is farthest.

        Raises
        ------
        RankLost
            If the communicator cannot go on.
        """
        if run.standing is not None:
            run.standing.go_back(run)
        before = self.communicator.size
        self.communicator = self.communicator.recover()
        distributed.use(self.communicator)
        self._know_others(run)
        places = tell(self.communicator, [run.epoch, run.batch, run.step])
        farthest = max(range(len(places)), key=lambda rank: (*places[rank], -rank))
        self._share_state(run, farthest)
        self.agreed_pause, self._expected = False, SHORT
        lost = before - self.communicator.size
        run.reporter.note(f"{lost} of {before} ranks {'was' if lost == 1 else 'were'} lost; "
                          f"{self.communicator.size} go on after {run.step} updates")

    def _share_state(self, run: Run, source: int) -> None:
        mine = self.communicator.rank == source
        state = state_of(run)
        data = self.communicator.broadcast(packed(state) if mine else None, source)
        restore(run, state if mine else unpacked(data), compare=False)
        if run.standing is not None:
            run.standing.take(run)

    # -- an update -------------------------------------------------------------------------------------------

    def batches(self, run: Run) -> Iterator[ShardedBatch]:
        """The remaining batches of the epoch. Reading one may fail on this rank alone."""
        batches = sharded(run.loader, self.shards, self.mine, run.intake.read)
        while True:
            self._expected = self._message_size if self._lockstep is None else self._lockstep.message_size
            batch = next(batches, None)
            if batch is None:
                break
            yield batch
        self._expected = SHORT

    def differentiate(self, run: Run, group: Sequence[ShardedBatch]) -> bool:
        """The gradients of a group of batches, the same bits on every rank; whether anything counts."""
        begin = time.perf_counter()
        work = Shards(run, group, self.shards, self.mine, self.communicator, self._channels)
        if self._lockstep is None:
            work.compute()
        else:
            self._expected = self._lockstep.message_size
            work.compute_together(self._lockstep)
            self._expected = self._message_size
        self._seconds = time.perf_counter() - begin
        figures = self._told(work.message())
        self._expected = SHORT
        return work.finish(figures)

    def _told(self, message: list[float]) -> list[list[float]]:
        """What all ranks say; the first number of each says whether it has failed."""
        heard = tell(self.communicator, message)
        failed = [rank for rank, (status, *_) in enumerate(heard) if status != FINE]
        if failed:
            self._hear(failed[0])
        return heard

    def agree(self, run: Run) -> None:
        """After callbacks: whether the run goes on, for all ranks alike."""
        heard = self._told([FINE, run.pause_requested, run.stopped, self._seconds, distributed.wanted_size()])
        self._seconds = 0.0
        self._slow.add([seconds for *_, seconds, _ in heard])
        self._wanted = int(max(wanted for *_, wanted in heard))
        self.agreed_pause, stops = any(pause for _, pause, *_ in heard), any(stop for _, _, stop, *_ in heard)
        if stops and not run.stopped:
            run.stop("another rank stopped the run")

    def end_epoch(self, run: Run) -> None:
        """Agree on whether the run goes on, name the ranks that all others wait for, and let more join."""
        self.agree(run)
        if slow := self._slow.text():
            run.reporter.note(slow)
        over = run.epoch >= run.epochs or run.stopped or self.agreed_pause
        if self._wanted > self.communicator.size and isinstance(self.communicator, Growing) and not over:
            self._grow(run, self.communicator)

    def _grow(self, run: Run, communicator: Growing) -> None:
        before = self.communicator.size
        distributed.grow_to(0)  # ask once: ranks that are lost later may be lost for a reason
        try:
            grown = communicator.grow(self._wanted)
        except GrowthError as error:
            run.reporter.note(f"{error}; the run goes on with {before}")
            return
        self.communicator = grown
        distributed.use(grown)
        self._begin_together(run)
        run.reporter.note(f"{grown.size - before} ranks have joined {before} after {run.step} updates")

    def measuring(self, run: Run) -> Callable[..., Scores | None]:
        """`evaluation.measure`, where each rank measures a share and all hear whether one is to pause."""
        def told(figures: list[float]) -> list[list[float]]:
            heard = self._told([FINE, run.pause_requested, *figures])
            self.agreed_pause = any(pause for _, pause, *_ in heard)
            return [row for _, _, *row in heard]

        def measure(model: nn.Module, loader: Loader, loss: AnyLoss, stop: Callable[[int], bool],
                    metrics: Sequence[Metric]) -> Scores | None:
            self._expected = 2 + FIGURES
            scores = measure_shared(model, loader, loss, stop, metrics, self.communicator, told)
            self._expected = SHORT
            return scores
        return measure

    # -- errors ----------------------------------------------------------------------------------------------

    def failed(self, error: BaseException) -> None:
        """Tell the other ranks, which come to the place where this one would have spoken next."""
        if self._spoken or self.communicator.size == 1:
            return
        self._spoken = True
        self._abandon()
        if isinstance(error, RankLost | TimeoutError):
            self.communicator.leave()
            return
        try:
            heard = tell(self.communicator, [FAILED, *[0.0] * (self._expected - 1)])
            first = next(rank for rank, (status, *_) in enumerate(heard) if status != FINE)
            words = "".join(traceback.format_exception_only(error)).strip()
            text = f"rank {self.communicator.rank} ({socket.gethostname()}, process {os.getpid()}): {words}"
            self.communicator.broadcast(text.encode() if first == self.communicator.rank else None, first)
        except (RankLost, TimeoutError):
            self.communicator.leave()

    def _abandon(self) -> None:
        if isinstance(self.communicator, Overlapping):
            self.communicator.abandon()

    def _hear(self, rank: int) -> None:
        self._spoken = True
        text = self.communicator.broadcast(None, rank).decode()
        self._abandon()
        raise RankError(f"another rank has ended the run: {text}")
