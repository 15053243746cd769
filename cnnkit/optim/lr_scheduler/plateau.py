"""Lower the rate when a figure stops improving."""

from __future__ import annotations

import math
from typing import Any

from cnnkit.optim.lr_scheduler.scheduler import LRScheduler, for_each_group
from cnnkit.optim.optimizer import Optimizer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the rate by `factor` after more than `patience` steps without an improvement.

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer whose rates are set.
    mode : {"min", "max"}
        Whether a smaller figure is better, or a larger one.
    factor : float
        The factor of a reduction, below 1.
    patience : int
        Steps without improvement that cause no reduction.
    threshold : float
        The smallest change that counts as an improvement.
    threshold_mode : {"rel", "abs"}
        Whether `threshold` is a part of the best figure, or a difference.
    cooldown : int
        Steps after a reduction that are not counted.
    min_lr : float, or list of float
        The lowest rate, of each parameter group.
    eps : float
        A reduction by less than this is not made.

    >>> from cnnkit import optim, tensor
    >>> scheduler = ReduceLROnPlateau(optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0), patience=0)
    >>> for loss in (0.5, 0.4, 0.4):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.1]
    """

    factor: float
    patience: int
    cooldown: int
    threshold: float
    threshold_mode: str
    eps: float
    min_lrs: list[Any]
    cooldown_counter: int
    num_bad_epochs: int
    best: float
    mode: str

    def __init__(self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
                 threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0,
                 min_lr: float | list[float] = 0, eps: float = 1e-8):
        if factor >= 1:
            raise ValueError(f"factor must be below 1, got {factor}")
        for name, value, allowed in (("mode", mode, ("min", "max")),
                                     ("threshold_mode", threshold_mode, ("rel", "abs"))):
            if value not in allowed:
                raise ValueError(f"{name} must be {allowed[0]!r} or {allowed[1]!r}, got {value!r}")
        self.factor, self.patience = factor, patience
        self.threshold, self.threshold_mode, self.cooldown = threshold, threshold_mode, cooldown
        self.min_lrs, self.eps = for_each_group(min_lr, optimizer, "min_lr"), eps
        self.watch(mode)
        self.num_bad_epochs = self.cooldown_counter = 0
        super().__init__(optimizer)

    def watch(self, mode: str) -> None:
        """Begin anew to watch a figure of which lower (``"min"``) or higher (``"max"``) values are better."""
        self.mode, self.best = mode, math.inf if mode == "min" else -math.inf

    def first(self, lrs: list[float]) -> list[float]:
        return lrs

    def step(self, metrics: Any = None, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take the step's figure: a number, or a Tensor with one element."""
        if metrics is None:
            raise TypeError("ReduceLROnPlateau.step() needs the figure to watch, such as the validation loss")
        self.last_epoch: int = self.last_epoch + 1 if epoch is None else epoch
        figure = float(metrics)
        improved = self._is_better(figure)
        if improved:
            self.best = figure
        self.num_bad_epochs = 0 if improved else self.num_bad_epochs + 1
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        lrs = self._lrs()
        if self.num_bad_epochs > self.patience:
            lower = [max(lr * self.factor, minimum) for lr, minimum in zip(lrs, self.min_lrs)]
            lrs = [new if old - new > self.eps else old for old, new in zip(lrs, lower)]
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._set(lrs)

    def _is_better(self, figure: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            return sign * figure > sign * self.best * (1 + sign * self.threshold)
        return sign * figure > sign * (self.best + sign * self.threshold)
