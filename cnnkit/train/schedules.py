"""Learning-rate schedules by name, with settings that fit the length of the run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnkit.optim import Optimizer, lr_scheduler
from cnnkit.train.callbacks.monitor import Monitor

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["SCHEDULES", "schedule", "watched"]

WARM_UP = 0.05  # the share of the run's updates in which the rate rises
# name: a function of (optimizer, epochs, updates), and whether the schedule steps after each update
SCHEDULES: dict[str, tuple[Callable[[Optimizer, int, int], Any], bool]] = {
    "cosine": (lambda o, epochs, updates: lr_scheduler.CosineAnnealingLR(o, updates), True),
    "warmup-cosine": (lambda o, epochs, updates: _warmed_up(o, updates), True),
    "one-cycle": (lambda o, epochs, updates: lr_scheduler.OneCycleLR(
        o, [g["lr"] for g in o.param_groups], updates), True),
    "linear": (lambda o, epochs, updates: lr_scheduler.LinearLR(o, 1.0, 0.0, updates), True),
    "exponential": (lambda o, epochs, updates: lr_scheduler.ExponentialLR(
        o, 0.01 ** (1 / max(epochs, 1))), False),
    "step": (lambda o, epochs, updates: lr_scheduler.StepLR(o, max(1, math.ceil(epochs / 3))), False),
    "plateau": (lambda o, epochs, updates: lr_scheduler.ReduceLROnPlateau(o, patience=3), False),
}


def schedule(scheduler: Any, interval: str, optimizer: Optimizer, epochs: int,
             batches: int | None) -> tuple[Any, bool]:
    """The schedule of ``fit(scheduler=...)``, and whether it steps after each update, not each epoch."""
    if interval not in ("epoch", "step"):
        raise ValueError(f"scheduler_interval must be 'epoch' or 'step', got {interval!r}")
    if isinstance(scheduler, str):
        if scheduler not in SCHEDULES:
            raise ValueError(f"there is no schedule {scheduler!r}; there are {', '.join(SCHEDULES)}, "
                             "and those of optim.lr_scheduler")
        make, per_batch = SCHEDULES[scheduler]
        if per_batch and batches is None:
            raise ValueError(f"the schedule {scheduler!r} needs to know how many batches there are; "
                             "give data with a length, or a schedule of optim.lr_scheduler")
        return make(optimizer, epochs, max(1, epochs * (batches or 0))), per_batch
    result = scheduler if isinstance(scheduler, lr_scheduler.LRScheduler) else scheduler(optimizer)
    if not isinstance(result, lr_scheduler.LRScheduler):
        raise TypeError("scheduler must be a name, a schedule of optim.lr_scheduler, "
                        f"or a function from an optimizer to one; it gave a {type(result).__name__}")
    if result.optimizer is not optimizer:
        raise ValueError("the schedule belongs to another optimizer; "
                         "give that optimizer to fit too, or a function that makes the "
                         "schedule: scheduler=lambda optimizer: StepLR(optimizer, 10)")
    if interval == "step" and isinstance(result, lr_scheduler.ReduceLROnPlateau):
        raise ValueError("ReduceLROnPlateau watches a figure of each epoch; "
                         "scheduler_interval must be 'epoch'")
    return result, interval == "step"


def _warmed_up(optimizer: Optimizer, updates: int) -> lr_scheduler.SequentialLR:
    warm_up = max(1, round(WARM_UP * updates))
    parts = [lr_scheduler.LinearLR(optimizer, 0.01, total_iters=warm_up),
             lr_scheduler.CosineAnnealingLR(optimizer, max(1, updates - warm_up))]
    return lr_scheduler.SequentialLR(optimizer, parts, [warm_up])


def watched(run: Run, name: str | None, by_name: bool) -> Monitor | None:
    """What the run's schedule watches: `name`, or the (held-out) loss; ``None`` if it watches nothing.

    Raises
    ------
    ValueError
        If `name` is given to a schedule that watches nothing; there is no such figure; or the schedule takes
        lower figures for better ones, and they are worse, or the other way round.
    """
    plateau = run.scheduler
    if not isinstance(plateau, lr_scheduler.ReduceLROnPlateau):
        if name is not None:
            raise ValueError(f"scheduler_monitor={name!r} is what ReduceLROnPlateau watches, and there "
                             "is none; give scheduler='plateau', or one of your own")
        return None
    name = name or ("loss" if run.validation is None else "val_loss")
    declared = Monitor(name).direction(run)
    monitor = Monitor(name, "auto" if by_name or declared is not None else plateau.mode)
    monitor.settle(run)
    mode = "max" if monitor.highest else "min"
    if by_name:
        plateau.watch(mode)
    elif plateau.mode != mode:
        raise ValueError(f"ReduceLROnPlateau has mode={plateau.mode!r}, but of {name!r}, which it watches, "
                         f"{'higher' if monitor.highest else 'lower'} values are better; give mode={mode!r}, "
                         "or another figure as scheduler_monitor")
    return monitor
