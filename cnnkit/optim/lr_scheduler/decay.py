"""Schedules that lower the rate a little at every step."""

from __future__ import annotations

from cnnkit.optim.lr_scheduler.scheduler import LRScheduler
from cnnkit.optim.optimizer import Optimizer

__all__ = ["ExponentialLR", "PolynomialLR"]


class ExponentialLR(LRScheduler):
    """The rate times `gamma` at every step.

    >>> from cnnkit import optim, tensor
    >>> scheduler = ExponentialLR(optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0), gamma=0.5)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def resumed(self) -> list[float]:
        return self._lrs()

    def get_lr(self) -> list[float]:
        return [lr * self.gamma if self.last_epoch else lr for lr in self._lrs()]

    def _get_closed_form_lr(self) -> list[float]:
        return [base * self.gamma ** self.last_epoch for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """The initial rate times ``(1 - step / total_iters) ** power``, and 0 from step `total_iters` on.

    >>> from cnnkit import optim, tensor
    >>> scheduler = PolynomialLR(optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0), total_iters=4)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.75]
    """

    power: float
    total_iters: int

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0,
                 last_epoch: int = -1):
        if total_iters < 1:
            raise ValueError(f"total_iters must be 1 or more, got {total_iters}")
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def resumed(self) -> list[float]:
        return self._lrs()

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0 or self.last_epoch > self.total_iters:
            return self._lrs()
        remaining, last_remaining = (1 - step / self.total_iters
                                     for step in (self.last_epoch, self.last_epoch - 1))
        return [lr * (remaining / last_remaining) ** self.power for lr in self._lrs()]

    def _get_closed_form_lr(self) -> list[float]:
        remaining = 1 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * remaining ** self.power for base in self.base_lrs]
