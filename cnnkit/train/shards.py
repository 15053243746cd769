"""Shards: what one rank computes of an update, and how all ranks' parts become its gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cnnkit import backends, distributed, random
from cnnkit.autograd import Tensor, no_grad, tensor
from cnnkit.autograd.arrivals import Arrivals
from cnnkit.autograd.differentiation import grad
from cnnkit.autograd.updating import gradients_of
from cnnkit.backends import Array, backend_of
from cnnkit.capturing import Captured
from cnnkit.data.sharded import ShardedBatch
from cnnkit.distributed.array_sums import ArraySums
from cnnkit.distributed.lockstep import Lockstep
from cnnkit.distributed.tree import owned
from cnnkit.evaluation.contracts import batch_loss
from cnnkit.evaluation.counting import is_empty
from cnnkit.evaluation.tally import Tally
from cnnkit.foreign import device_of
from cnnkit.ops.dtypes import is_floating, narrow
from cnnkit.train.parameters import parameters

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["FAILED", "FINE", "Shards", "message_size"]

Backward = Callable[[Tensor], None]

FIGURES = 5  # of a shard: what `Tally.state` gives
FINE, FAILED = 0.0, 1.0  # how a message begins


def message_size(shards: int, run: Run) -> int:
    """How many numbers a rank tells the others of an update: see `Shards.message`."""
    buffers = list(run.model.buffers())
    numbers = sum(buffer.numel() for buffer in buffers if not is_floating(buffer.dtype))
    return 1 + run.accumulate * shards * FIGURES + len(parameters(run.optimizer)) + len(buffers) + numbers


class Shards:
    """The shards of one update that a rank computes.

    Parameters
    ----------
    run : Run
    group : sequence of ShardedBatch
        The batches that the update learns from.
    shards : int
        How many there are on all ranks.
    mine : range
        Those of this rank.
    communicator : Communicator
        What connects the ranks.
    channels : two channels, optional
        In which gradients may travel while others are computed.
    """

    group: Sequence[ShardedBatch]
    run: Run
    shards: int
    figures: list[list[list[float]]]
    mine: Any

    def __init__(self, run: Run, group: Sequence[ShardedBatch], shards: int, mine: range,
                 communicator: distributed.Communicator,
                 channels: tuple[distributed.Channel, distributed.Channel] | None = None):
        self.run, self.group, self.shards, self.mine = run, group, shards, mine
        self.communicator = communicator
        self.parameters: list[Tensor] = parameters(run.optimizer)
        self._number_of = {id(parameter): n for n, parameter in enumerate(self.parameters)}
        buffers = list(run.model.buffers())
        self.buffers: list[Tensor] = [buffer for buffer in buffers if is_floating(buffer.dtype)]
        self.counters: list[Tensor] = [buffer for buffer in buffers if not is_floating(buffer.dtype)]
        self.before: list[Array] = [buffer.array for buffer in self.buffers]
        self.counters_before: list[Array] = [buffer.array for buffer in self.counters]
        self.total: int = sum(sum(batch.sizes) for batch in group)
        self.key: random.Key = random.next_key()
        self.figures = [[[0.0] * FIGURES for _ in range(shards)] for _ in range(run.accumulate)]
        self.has_gradient: list[float] = [0.0] * len(self.parameters)
        self.changed: list[float] = [0.0] * len(self.buffers)
        self.counted: list[float] = []  # what the first shard with samples has made of the counters
        self.sums: ArraySums = ArraySums(shards, [value.array for value in (*self.buffers, *self.parameters)])
        self.overlaps: bool = channels is not None
        self._ahead: dict[int, Callable[[], tuple[Tensor, Tensor]]] = {}
        if channels is not None:
            self.sums.travel(communicator, channels)

    # -- this rank's part ------------------------------------------------------------------------------------

    def compute(self) -> None:
        """Forward and backward of this rank's shards, one after the other.

        Gradients are sent off as they are made: of the last shard, or of all that are computed side by side.
        """
        self.run.inputs, self.run.counts, self.run.losses = [], [], []
        self._forget()
        self._ahead = self._computed_together()
        for shard in self.mine:
            self._forget()
            last = self.overlaps and shard == self.mine[-1] and shard not in self._ahead
            self._batches(shard, None, self._backward_sending if last else None)
            size = self._size(shard)
            self._note_changes(size)
            buffers = [buffer.array * (size / self.total) if size else None for buffer in self.buffers]
            self.sums.put(shard, [*buffers, *self._gradients(gradients_of(self.parameters))])
        self._forget()

    def _computed_together(self) -> dict[int, Callable[[], tuple[Tensor, Tensor]]]:
        """What makes the gradients of the shards that a recorded step has computed side by side.

        Of a group of batches none, because gradients are added to those of the batch before.
        """
        learn = self.run.learn
        if len(self.group) > 1 or type(learn) is not Captured or not learn.plans:
            return {}
        calls: dict[tuple, dict[int, tuple]] = {}  # by their shapes
        for shard, (x, y, *weight) in self.group[0].parts.items():
            counted = self.run.counting(y, *weight)
            if not is_empty(counted.loss):
                share = None if self.run.counting.summed else self._share(counted.loss, x)
                calls.setdefault((x.shape, y.shape), {})[shard] = (x, y, share, True, *weight)
        ahead: dict[int, Callable[[], tuple[Tensor, Tensor]]] = {}
        for of_shape in calls.values():
            keys = [self._key(0, shard) for shard in of_shape]
            if len(keys) > 1:
                sends = self.overlaps and [*of_shape] == [*self.mine]
                ahead.update(zip(of_shape, learn.together([*of_shape.values()], keys,
                                                          self._sent if sends else None) or ()))
        return ahead

    def _sent(self, parameter: Tensor, gradients: list[Array]) -> None:
        """Add the gradients of all shards of this rank, and send them off."""
        n = self._number_of.get(id(parameter))
        if n is not None:
            for shard, gradient in zip(self.mine, gradients):
                self.sums.put_early(shard, len(self.buffers) + n, gradient, shard == self.mine[-1])

    def _key(self, number: int, shard: int) -> random.Key:
        """What a shard of a batch draws from."""
        return random.fold_in(random.fold_in(self.key, number), shard)

    def _backward_sending(self, loss: Tensor) -> None:
        """Backward of this rank's last batch of its last shard."""
        def arrived(n: int) -> None:
            gradient = self.parameters[n].grad
            self.sums.put_early(self.mine[-1], len(self.buffers) + n, gradient.array)
        with Arrivals([loss], self.parameters, arrived):
            loss.backward()

    def compute_together(self, lockstep: Lockstep) -> None:
        """The same where shards meet on the way: all parts have the same buffers then."""
        self.run.inputs, self.run.counts, self.run.losses = [], [], []
        self._forget()
        gradients: dict[int, list[Array | None]] = {}

        def work(shard: int) -> Callable[[], None]:
            kept = gradients[shard] = [None] * len(self.parameters)
            return lambda: self._batches(shard, lambda loss: _add_gradients(kept, loss, self.parameters))
        lockstep.run({shard: work(shard) for shard in self.mine if self._size(shard)})
        self._note_changes(sum(map(self._size, self.mine)))
        for shard in self.mine:
            buffers = [buffer.array if shard == 0 else None for buffer in self.buffers]
            self.sums.put(shard, [*buffers, *self._gradients(gradients.get(shard, []))])
        self._forget()

    def _size(self, shard: int) -> int:
        return sum(batch.sizes[shard] for batch in self.group)

    def _batches(self, shard: int, backward: Backward | None, last: Backward | None = None) -> None:
        """Forward and backward of a shard; captured where no function for backward is given."""
        numbers = [number for number, batch in enumerate(self.group) if shard in batch.parts]
        for number in numbers:
            with random.stream(self._key(number, shard)):
                backwards = last if last is not None and number == numbers[-1] else backward
                self._one(number, shard, self.group[number].parts[shard], backwards, number == numbers[0])

    def _one(self, number: int, shard: int, part: tuple, backward: Backward | None, first: bool) -> None:
        run = self.run
        x, y, *weight = part
        counted = run.counting(y, *weight)
        run.inputs.append(part)
        run.counts.append(counted)
        tally = Tally()
        if is_empty(counted.loss):
            tally.pass_over(x.shape[0])
            run.losses.append(None)
        else:
            share = None if run.counting.summed else self._share(counted.loss, x)
            if backward is None:
                ahead = self._ahead.pop(shard, None)
                loss, output = ahead() if ahead is not None else run.learn(x, y, share, first, *weight)
                y = run.intake.target(output, y)
            else:
                with run.mixed.block():
                    output = run.model(x)
                    y = run.intake.target(output, y)
                    loss = batch_loss(run.loss_function, output, y, *weight)
                backward(run.mixed.scaler.scale(loss if share is None else loss * share))
            run.losses.append(Tensor(loss.array))
            tally.add(loss, output, run.labels(y), counted, *weight, summed=run.counting.summed)
        self.figures[number][shard] = list(map(float, tally.state()))

    def _share(self, count: Any, x: Tensor) -> Tensor:
        """What a shard's mean counts for among all samples; `finish` corrects for those that do not count."""
        if isinstance(count, int | float):
            dtype = self.run.intake.dtype or "float32"
            return Tensor(backend_of(x.array).asarray(count / self.total, dtype, device_of(x.array)))
        with backends.on(count):
            return Tensor(backends.namespace_of(count).asarray(count / self.total))

    def _gradients(self, gradients: Sequence[Array | None]) -> list[Array | None]:
        """A shard's gradients; those of one without samples are zeros."""
        for n, gradient in enumerate(gradients):
            self.has_gradient[n] += gradient is not None
        return list(gradients) or [None] * len(self.parameters)

    def _note_changes(self, size: int) -> None:
        """Note which buffers were changed, and what the first shard with samples has made of the counters."""
        for n, (buffer, before) in enumerate(zip(self.buffers, self.before)):
            self.changed[n] += buffer.array is not before
        if size and not self.counted:
            for buffer in self.counters:
                self.counted += map(float, backend_of(buffer.array).to_numpy(buffer.array).reshape(-1))

    def _forget(self) -> None:
        """Each shard begins without gradients, and with the buffers of the update before."""
        for parameter in self.parameters:
            parameter.grad = None
        for buffer, before in zip((*self.buffers, *self.counters), (*self.before, *self.counters_before)):
            if buffer.array is not before:
                buffer.rebind(before)

    def message(self) -> list[float]:
        """What the others must know before the gradients are added."""
        figures = [number for batch in self.figures for shard in batch for number in shard]
        counted = self.counted or [0.0] * sum(buffer.numel() for buffer in self.counters)
        return [FINE, *figures, *self.has_gradient, *self.changed, *counted]

    # -- all ranks' parts ------------------------------------------------------------------------------------

    def finish(self, heard: list[list[float]]) -> bool:
        """Add the figures and, if they count for anything, the gradients of all shards."""
        run = self.run
        together = [sum(column) for column in zip(*heard)]  # of each shard's figures, one rank's are not 0
        numbers = iter(together[1:])
        count = loss = 0.0
        for n in range(run.accumulate):
            batch = Tally()
            for _ in range(self.shards):
                batch.merge([next(numbers) for _ in range(FIGURES)])
            if n < len(self.group):
                run.tally.merge(batch.state())
                loss, count = loss + batch.state()[1], count + batch.state()[2]
        has_gradient = [bool(next(numbers)) for _ in self.parameters]
        changed = [bool(next(numbers)) for _ in self.buffers]
        if not count:
            if self.overlaps:  # on some ranks they may have set off
                self.sums.totals(self.communicator, [])
            return False
        run.loss = tensor(loss if run.counting.summed else loss / count)
        sums = self.sums.totals(self.communicator, [*changed, *has_gradient])
        factor = 1.0 if run.counting.summed else self.total / count
        with no_grad():
            for parameter, gradient in zip(self.parameters, sums[len(self.buffers):]):
                if gradient is not None:
                    parameter.grad = Tensor(_like(gradient, parameter.array, factor))
            for buffer, value in zip(self.buffers, sums):
                if value is not None:
                    buffer.rebind(_like(value, buffer.array))
            ranks = self.communicator.size
            first = next(rank for rank in range(ranks) if owned(self.shards, rank, ranks))  # has samples
            self._count(heard[first][len(heard[first]) - len(list(numbers)):])
        return True

    def _count(self, numbers: list[float]) -> None:
        values = iter(numbers)
        for buffer in self.counters:
            like = buffer.array
            counts = [int(next(values)) for _ in range(buffer.numel())]
            with backends.on(like):
                xp = backends.namespace_of(like)
                buffer.rebind(xp.reshape(xp.asarray(counts, dtype=like.dtype), tuple(like.shape)))


def _add_gradients(kept: list[Array | None], loss: Tensor, parameters: Sequence[Tensor]) -> None:
    """Add a loss's gradients to those of one shard alone, while others compute theirs."""
    wanted = [n for n, parameter in enumerate(parameters) if parameter.requires_grad]
    for n, gradient in zip(wanted, grad(loss, [parameters[n] for n in wanted], allow_unused=True)):
        if gradient is not None:
            before = kept[n]
            kept[n] = gradient.array if before is None else before + gradient.array


def _like(value: Array, like: Array, factor: float = 1.0) -> Array:
    """A sum in the dtype of an array; multiplied, where not all samples count."""
    with backends.on(like):
        return narrow(value if factor == 1.0 else value * factor, like.dtype)
