"""Schedules that lower the rate at certain steps and keep it between them."""

from __future__ import annotations

from collections.abc import Iterable

from cnnkit.optim.lr_scheduler.scheduler import LRScheduler
from cnnkit.optim.optimizer import Optimizer

__all__ = ["MultiStepLR", "StepLR"]


class StepLR(LRScheduler):
    """The rate times `gamma` every `step_size` steps.

    >>> from cnnkit import optim, tensor
    >>> scheduler = StepLR(optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0), step_size=2, gamma=0.5)
    >>> rates = []
    >>> for epoch in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        if step_size < 1:
            raise ValueError(f"step_size must be 1 or more, got {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        return [lr if self.last_epoch % self.step_size else lr * self.gamma for lr in self._lrs()]


class MultiStepLR(LRScheduler):
    """The rate times `gamma` at each of the steps `milestones`; a step listed twice counts twice.

    >>> from cnnkit import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        return [lr * self.gamma ** self.milestones.count(self.last_epoch) for lr in self._lrs()]
