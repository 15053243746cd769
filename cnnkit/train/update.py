"""Update: the gradients of a group of batches, limited, and the optimizer's step with them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnkit import backends, nn
from cnnkit.autograd import Tensor
from cnnkit.capturing.ahead import Ahead
from cnnkit.evaluation.counting import is_empty
from cnnkit.train.parameters import parameters
from cnnkit.train.whole import Whole

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["update"]


def update(run: Run, group: list[Any], start: float) -> None:
    """Learn from a group of batches, unless it is known that they count for nothing."""
    with run.mixed.overflowing():
        if run.sharding is None:
            run.inputs = group
            learns = _differentiate(run)
        else:
            learns = run.sharding.differentiate(run, group)
            run.reporter.step(run.tally)
        if learns:
            _limit(run)
    with Whole(run, run.hooks["on_train_batch_end"]):
        if learns:
            _step(run)
        run.batch += run.batches
        if run.scheduler is not None and run.per_batch:
            run.scheduler.step()
        run.seconds = time.perf_counter() - start


def _differentiate(run: Run) -> bool:
    """The gradients of the batches that count for something; ``False`` if it is known that none does."""
    run.counts = [run.counting(*targets) for _, *targets in run.inputs]
    run.losses = []
    if all(is_empty(counted.loss) for counted in run.counts):
        for x, *_ in run.inputs:
            run.tally.pass_over(x.shape[0])
        return False
    shares = [None] if len(run.counts) == 1 else _shares(run)
    run.optimizer.zero_grad()
    first = True
    for (x, y, *weight), counted, share in zip(run.inputs, run.counts, shares):
        if is_empty(counted.loss):
            run.tally.pass_over(x.shape[0])
            run.losses.append(None)
            continue
        run.loss, output = run.learn(x, y, share, first, *weight)
        first = False
        y = run.intake.target(output, y)
        run.losses.append(Tensor(run.loss.array))
        run.tally.add(run.loss, output, run.labels(y), counted, *weight, summed=run.counting.summed)
        run.reporter.step(run.tally)
    return True


def _limit(run: Run) -> None:
    """Limit the gradients, and show them to the callbacks."""
    run.mixed.scaler.unscale_(run.optimizer)
    if run.clip_norm is not None:
        nn.clip_grad_norm_(parameters(run.optimizer), run.clip_norm)
    if run.clip_value is not None:
        nn.clip_grad_value_(parameters(run.optimizer), run.clip_value)
    run.call("on_before_optimizer_step")


def _step(run: Run) -> None:
    if run.standing is not None:
        run.standing.leave()
    run.whole = True  # until the optimizer has made its step, which it makes whole or not at all
    if isinstance(run.learn, Ahead):
        run.learn.update()
    else:
        run.mixed.step(run.optimizer)
    run.whole = False
    run.step += 1
    if run.ema is not None:
        run.ema.update()


def _shares(run: Run) -> Sequence[Any]:
    """The factor of each batch's loss, so that the group's gradient is that of one batch of them all."""
    if run.counting.summed:
        return [None] * len(run.counts)
    counts = [counted.loss for counted in run.counts]
    with backends.on(run.inputs[0][0].array):
        total = sum(counts)
        if isinstance(total, int | float):  # Tensors, because what is captured may get others each time
            place, dtype = backends.backend_of(run.inputs[0][0].array), run.intake.dtype or "float32"
            return [Tensor(place.asarray(count / total, dtype)) for count in counts]
        xp = backends.namespace_of(total)  # on a device, so whether it is 0 is not asked
        total = xp.where(total == 0, xp.ones_like(total), total)
        return [Tensor(xp.asarray(count / total)) for count in counts]
