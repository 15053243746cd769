"""Schedules made of schedules: one after another, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from cnnkit.optim.lr_scheduler.plateau import ReduceLROnPlateau
from cnnkit.optim.lr_scheduler.scheduler import LRScheduler
from cnnkit.optim.optimizer import Optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composite(LRScheduler):
    """Schedules of one optimizer, and their states."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], last_epoch: int = -1):
        if not schedulers:
            raise ValueError(f"{type(self).__name__} needs at least one schedule")
        for n, scheduler in enumerate(schedulers):
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{type(self).__name__} cannot hold ReduceLROnPlateau (schedule {n}): "
                                 "its step() needs a figure")
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"{type(self).__name__}: schedule {n} belongs to another optimizer")
        self._schedulers = list(schedulers)
        super().__init__(optimizer)
        self.last_epoch: int = last_epoch + 1

    def begin(self) -> None:
        self.restart(list(self.base_lrs))

    def state_dict(self) -> dict[str, Any]:
        settings = {name: list(value) if isinstance(value, list) else value
                    for name, value in vars(self).items() if name not in ("optimizer", "_schedulers")}
        return {**settings, "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)


class SequentialLR(_Composite):
    """One schedule after another: schedule n + 1 begins, from the initial rate, at step ``milestones[n]``.

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer of all schedules.
    schedulers : list of LRScheduler
        The schedules in order.
    milestones : list of int
        The step at which each schedule but the first begins.

    >>> from cnnkit import optim, tensor
    >>> from cnnkit.optim.lr_scheduler import ExponentialLR, LinearLR
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0)
    >>> warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> decay = ExponentialLR(optimizer, gamma=0.1)
    >>> scheduler = SequentialLR(optimizer, [warm_up, decay], milestones=[2])
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.75, 1.0, 0.1]
    """

    last_epoch: int

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int],
                 last_epoch: int = -1):
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"{len(schedulers)} schedules need {len(schedulers) - 1} milestones, "
                             f"got {len(milestones)}")
        self._milestones = list(milestones)
        super().__init__(optimizer, schedulers, last_epoch)

    def first(self, lrs: list[float]) -> list[float]:
        self.restart(list(self.base_lrs))
        return self.get_last_lr()

    def restart(self, lrs: list[float]) -> None:
        scheduler = self._schedulers[bisect_right(self._milestones, 0)]
        scheduler.restart(lrs)
        self.last_epoch, self._last_lr = 0, scheduler.get_last_lr()

    def get_lr(self) -> list[float]:
        index = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[index]
        if index > 0 and self._milestones[index - 1] == self.last_epoch:
            scheduler.begin()
        else:
            scheduler.step()
        return scheduler.get_last_lr()


class ChainedScheduler(_Composite):
    """All schedules at every step, each changing the rate that the one before it left.

    >>> from cnnkit import optim, tensor
    >>> from cnnkit.optim.lr_scheduler import ConstantLR, ExponentialLR
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0)
    >>> halved = ConstantLR(optimizer, 0.5, total_iters=2)
    >>> scheduler = ChainedScheduler([halved, ExponentialLR(optimizer, gamma=0.5)])
    >>> rates = []
    >>> for epoch in range(3):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.25, 0.25]
    """

    last_epoch: int

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        if not schedulers:
            raise ValueError("ChainedScheduler needs at least one schedule")
        super().__init__(optimizer or schedulers[0].optimizer, schedulers)

    def first(self, lrs: list[float]) -> list[float]:
        return lrs

    def restart(self, lrs: list[float]) -> None:
        for scheduler in self._schedulers:
            scheduler.restart(lrs)
            lrs = scheduler.get_last_lr()
        self.last_epoch, self._last_lr = 0, lrs

    def get_lr(self) -> list[float]:
        for scheduler in self._schedulers:
            scheduler.step()
        return self._lrs()
