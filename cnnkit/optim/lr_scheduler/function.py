"""Schedules that a function of the user's defines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cnnkit.optim.lr_scheduler.scheduler import LRScheduler, for_each_group
from cnnkit.optim.optimizer import Optimizer

__all__ = ["LambdaLR", "MultiplicativeLR"]


class LambdaLR(LRScheduler):
    """The initial rate times ``lr_lambda(step)``.

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer whose rates are set.
    lr_lambda : callable, or list of callable
        Function from the step, counted from 0, to a factor, or a list with one for each parameter group.
        Functions are no part of `state_dict`.

    >>> from cnnkit import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.1)
    >>> scheduler = LambdaLR(optimizer, lambda epoch: 0.5 ** epoch)
    >>> for epoch in range(2):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.025]
    """

    def __init__(self, optimizer: Optimizer,
                 lr_lambda: Callable[[int], float] | list[Callable[[int], float]], last_epoch: int = -1):
        self.lr_lambdas: list[Any] = for_each_group(lr_lambda, optimizer, "lr_lambda")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [base * factor(self.last_epoch) for base, factor in zip(self.base_lrs, self.lr_lambdas)]

    def state_dict(self) -> dict[str, Any]:
        # as many None as functions, as PyTorch wants them
        return {**_without_functions(super().state_dict()), "lr_lambdas": [None] * len(self.lr_lambdas)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(_without_functions(state_dict))


class MultiplicativeLR(LRScheduler):
    """At each step, the rate times ``lr_lambda(step)``; parameters are those of `LambdaLR`.

    At its milestone in a `SequentialLR` it goes on from the rate that it finds, times ``lr_lambda(0)``.

    >>> from cnnkit import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = MultiplicativeLR(optimizer, lambda epoch: 0.5)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer,
                 lr_lambda: Callable[[int], float] | list[Callable[[int], float]], last_epoch: int = -1):
        self.lr_lambdas: list[Any] = for_each_group(lr_lambda, optimizer, "lr_lambda")
        super().__init__(optimizer, last_epoch)

    def first(self, lrs: list[float]) -> list[float]:
        return lrs

    def begin(self) -> None:
        self.last_epoch = 0
        self._set(self.get_lr())

    def resumed(self) -> list[float]:
        return self._lrs()

    def get_lr(self) -> list[float]:
        return [lr * factor(self.last_epoch) for lr, factor in zip(self._lrs(), self.lr_lambdas)]

    def state_dict(self) -> dict[str, Any]:
        # as many None as functions, as PyTorch wants them
        return {**_without_functions(super().state_dict()), "lr_lambdas": [None] * len(self.lr_lambdas)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(_without_functions(state_dict))


def _without_functions(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "lr_lambdas"}
