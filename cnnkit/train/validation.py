"""Validation by several ranks: each measures its share of the held-out batches.

Batch n is measured by rank ``n % ranks``. After each round of one batch a rank, all ranks tell each other the
sums of theirs, and add them up in the order of the batches: the figures have the bits of one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from typing import Any

from cnnkit import distributed, random
from cnnkit.autograd import Tensor
from cnnkit.data import DataLoader
from cnnkit.distributed.meeting import meeting_nobody
from cnnkit.distributed.messages import tell_bytes
from cnnkit.evaluation.contracts import AnyLoss, Loader
from cnnkit.evaluation.evaluate import Measuring, Scores, evaluating, scores_of
from cnnkit.evaluation.metrics import Metric
from cnnkit.evaluation.tally import Tally
from cnnkit.nn import Module
from cnnkit.train.packed import packed, unpacked
from cnnkit.train.tree import copied_like

__all__ = ["FIGURES", "measure_shared"]

FIGURES = 6  # numbers of a rank in a round: whether it had a batch, and what `Tally.state` gives


def measure_shared(model: Module, loader: Loader, loss: AnyLoss, stop: Callable[[int], bool],
                   metrics: Sequence[Metric], communicator: distributed.Communicator,
                   told: Callable[[list[float]], list[list[float]]]) -> Scores | None:
    """`evaluation.measure` by all ranks together, with the same result on each.

    Metrics see the outputs of all batches on every rank, which send them to each other.

    Parameters
    ----------
    communicator : Communicator
        What connects the ranks.
    told : callable
        Gives what all ranks say, as lists of `FIGURES` numbers, for what this one says.
    """
    total, done = Tally(), 0
    for metric in metrics:
        metric.reset()
    before = random.get_state()
    key = random.next_key()
    random.set_state(before)  # whatever models draw, all ranks go on from one state
    with evaluating(model), meeting_nobody():
        measuring = Measuring(model, loader, loss)
        batches = _share(loader, communicator.rank, communicator.size)
        for number in count(communicator.rank, communicator.size):
            tally, seen, batch = Tally(), None, next(batches, None)
            if batch is not None:
                with random.stream(random.fold_in(key, number)):
                    seen = measuring.add(batch, tally)
            content = packed(_seen(seen)) if metrics and communicator.size > 1 else b""
            heard = told([float(batch is not None), *map(float, tally.state())])
            had_batch = [bool(has) for has, *_ in heard]
            if not any(had_batch):
                return scores_of(total)
            for _, *figures in heard:
                total.merge(figures)
            if metrics:
                _update(metrics, seen, content, model, communicator)
            done += sum(had_batch)
            if stop(done):
                random.set_state(before)  # a loader may have drawn, and ranks have read different parts
                return None
    raise AssertionError("rounds have no end")


def _share(loader: Loader, rank: int, ranks: int) -> Iterator[Any]:
    """The batches of a rank; of a `DataLoader` over a dataset with an index, others are not read."""
    if isinstance(loader, DataLoader) and not loader.streaming:
        return loader.tensors(islice(loader.next_batches(), rank, None, ranks))
    return islice(loader, rank, None, ranks)


def _seen(seen: tuple[Tensor, Tensor] | None) -> dict[str, Tensor]:
    return {} if seen is None else {"output": seen[0], "labels": seen[1]}


def _update(metrics: Sequence[Metric], seen: tuple[Tensor, Tensor] | None, content: bytes, model: Module,
            communicator: distributed.Communicator) -> None:
    """Show the metrics a round's batches, in order."""
    if communicator.size == 1:
        of_ranks = [_seen(seen)]
    else:
        place = next(iter(model.parameters()))
        of_ranks = [{name: Tensor(copied_like(value, place, value.dtype))
                     for name, value in unpacked(data).items()} for data in tell_bytes(communicator, content)]
    for parts in of_ranks:
        for metric in metrics if parts else ():
            metric.update(parts["output"], parts["labels"])
