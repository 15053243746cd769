"""Cosine annealing, once or with warm restarts."""

from __future__ import annotations

import math
from typing import Any

from cnnkit.foreign import whole
from cnnkit.optim.lr_scheduler.scheduler import LRScheduler
from cnnkit.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(LRScheduler):
    """From the rate to `eta_min` along half a cosine of `T_max` steps, and back up in `T_max` more.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017;
    without the restarts.

    Examples
    --------
    >>> from cnnkit import optim, tensor
    >>> scheduler = CosineAnnealingLR(optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0), T_max=2)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    T_max: int
    eta_min: float

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        if T_max < 1:
            raise ValueError(f"T_max must be 1 or more, got {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def resumed(self) -> list[float]:
        return self._lrs()

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._lrs()
        # at the lowest point the rate is eta_min, so no factor can raise it
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - self.eta_min) * rise for lr, base in zip(self._lrs(), self.base_lrs)]
        factor, last_factor = (1 + math.cos(math.pi * step / self.T_max)
                               for step in (self.last_epoch, self.last_epoch - 1))
        return [factor / last_factor * (lr - self.eta_min) + self.eta_min for lr in self._lrs()]

    def _get_closed_form_lr(self) -> list[float]:
        factor = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * factor for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """From the rate to `eta_min` along half a cosine, then again, each time `T_mult` times as slowly.

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer whose rates are set.
    T_0 : int
        Steps of the first cosine.
    T_mult : int
        The factor by which each cosine is longer than the one before.
    eta_min : float
        The lowest rate.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.

    Examples
    --------
    >>> from cnnkit import optim, tensor
    >>> scheduler = CosineAnnealingWarmRestarts(optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0), T_0=2)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [1.0, 0.5, 1.0, 0.5]
    """

    T_mult: int
    eta_min: float
    last_epoch: int

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0,
                 last_epoch: int = -1):
        self.T_0, self.T_mult, self.eta_min = whole("T_0", T_0), whole("T_mult", T_mult), eta_min
        self.T_cur: float = last_epoch
        self.T_i: Any = self.T_0
        super().__init__(optimizer, last_epoch)

    def first(self, lrs: list[float]) -> list[float]:
        self.T_cur, self.T_i = 0, self.T_0
        return self.get_lr()

    def resumed(self) -> list[float]:
        self._advance()
        return self.get_lr()

    def step(self, epoch: float | None = None) -> None:  # type: ignore[override]  # parts of an epoch count
        """Advance one step, or go to `epoch`, which may be a fraction: ``epoch + batch / batches``."""
        if epoch is None:
            self.last_epoch += 1
            self._advance()
        else:
            if epoch < 0:
                raise ValueError(f"Expected non-negative epoch, but got {epoch}")
            restarts = 0
            if epoch >= self.T_0 and self.T_mult == 1:
                self.T_cur, self.T_i = epoch % self.T_0, self.T_0
            else:
                if epoch >= self.T_0:
                    restarts = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
                self.T_i = self.T_0 * self.T_mult ** restarts
                self.T_cur = epoch - (self.T_i - self.T_0) / (self.T_mult - 1) if restarts else epoch
            self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())

    def _advance(self) -> None:
        self.T_cur += 1
        if self.T_cur >= self.T_i:
            self.T_cur, self.T_i = self.T_cur % self.T_i, self.T_i * self.T_mult

    def get_lr(self) -> list[float]:
        cosine = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (base - self.eta_min) * cosine / 2 for base in self.base_lrs]
