"""Schedules that begin with a part of the rate and end with all of it."""

from __future__ import annotations

from cnnkit.optim.lr_scheduler.scheduler import LRScheduler
from cnnkit.optim.optimizer import Optimizer

__all__ = ["ConstantLR", "LinearLR"]


class ConstantLR(LRScheduler):
    """The rate times `factor` until step `total_iters`, then the rate.

    >>> from cnnkit import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> rates = []
    >>> for epoch in range(3):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.5, 1.0]
    """

    factor: float
    total_iters: int

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5,
                 last_epoch: int = -1):
        if not 0 < factor <= 1:
            raise ValueError(f"factor must be above 0 and at most 1, got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def first(self, lrs: list[float]) -> list[float]:
        return [lr * self.factor for lr in lrs]

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self.first(self._lrs())
        return [lr * (1.0 / self.factor) if self.last_epoch == self.total_iters else lr for lr in self._lrs()]

    def _get_closed_form_lr(self) -> list[float]:
        return [base * (self.factor if self.last_epoch < self.total_iters else 1.0) for base in self.base_lrs]


class LinearLR(LRScheduler):
    """Linear warm-up: from `start_factor` to `end_factor` of the rate in `total_iters` steps.

    >>> from cnnkit import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.75, 1.0, 1.0]
    """

    end_factor: float
    start_factor: float
    total_iters: int

    def __init__(self, optimizer: Optimizer, start_factor: float = 1.0 / 3,
                 end_factor: float = 1.0, total_iters: int = 5, last_epoch: int = -1):
        if not 0 < start_factor <= 1:
            raise ValueError(f"start_factor must be above 0 and at most 1, got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"end_factor must be from 0 to 1, got {end_factor}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def first(self, lrs: list[float]) -> list[float]:
        return [lr * self.start_factor for lr in lrs]

    def resumed(self) -> list[float]:
        return self._lrs()

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self.first(self._lrs())
        if self.last_epoch > self.total_iters:
            return self._lrs()
        rise = self.end_factor - self.start_factor
        growth = 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return [lr * growth for lr in self._lrs()]

    def _get_closed_form_lr(self) -> list[float]:
        part = min(self.total_iters, self.last_epoch) / self.total_iters
        factor = self.start_factor + (self.end_factor - self.start_factor) * part
        return [base * factor for base in self.base_lrs]
