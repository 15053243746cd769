"""Cyclical rates: up and down between two bounds, again and again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from cnnkit.optim.lr_scheduler.scheduler import LRScheduler, for_each_group
from cnnkit.optim.optimizer import Optimizer

__all__ = ["CyclicLR"]

MODES = ("triangular", "triangular2", "exp_range")


class CyclicLR(LRScheduler):
    """The rate goes from `base_lr` to `max_lr` and back, in a straight line; to be stepped after every batch.

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer whose rates, and momentum or first beta, are set.
    base_lr, max_lr : float, or list of float
        The lowest and the highest rate, of each parameter group.
    step_size_up : int
        Steps of the rise.
    step_size_down : int, optional
        Steps of the fall; as many, if not given.
    mode : {"triangular", "triangular2", "exp_range"}
        All cycles alike; each half as high as the one before; or lower by `gamma` at every step.
    gamma : float
        The factor of ``"exp_range"``.
    scale_fn : callable, optional
        In place of `mode`: the height of a cycle, as a function of its number, from 1, or of the step.
    scale_mode : {"cycle", "iterations"}
        What `scale_fn` is called with.
    cycle_momentum : bool
        Whether momentum, or Adam's first beta, goes from `max_momentum` to `base_momentum` and back.
    base_momentum, max_momentum : float, or list of float
        The lowest and the highest momentum.
    last_epoch : int
        The step after which to go on; -1 to begin.

    Raises
    ------
    ValueError
        If `mode` is unknown, or there is no momentum to cycle.

    References
    ----------
    Smith, "Cyclical learning rates for training neural networks", WACV 2017.

    Examples
    --------
    >>> from cnnkit import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = CyclicLR(optimizer, 0.0, 1.0, step_size_up=2, cycle_momentum=False)
    >>> rates = []
    >>> for step in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    total_size: float
    gamma: float
    mode: str
    base_momentums: list[Any]
    max_momentums: list[Any]

    def __init__(self, optimizer: Optimizer, base_lr: float | list[float], max_lr: float | list[float],
                 step_size_up: int = 2000, step_size_down: int | None = None, mode: str = "triangular",
                 gamma: float = 1.0, scale_fn: Callable[[float], float] | None = None,
                 scale_mode: str = "cycle", cycle_momentum: bool = True,
                 base_momentum: float | list[float] = 0.8, max_momentum: float | list[float] = 0.9,
                 last_epoch: int = -1):
        if mode not in MODES and scale_fn is None:
            raise ValueError(f"mode is {', '.join(map(repr, MODES))}; got {mode!r}")
        if cycle_momentum and not {"momentum", "betas"} & optimizer.defaults.keys():
            raise ValueError(f"{type(optimizer).__name__} has neither momentum nor betas; "
                             "pass cycle_momentum=False")
        lowest = for_each_group(base_lr, optimizer, "base_lr")
        self.max_lrs: list[Any] = for_each_group(max_lr, optimizer, "max_lr")
        self.total_size = float(step_size_up + (step_size_up if step_size_down is None else step_size_down))
        self.step_ratio: float = step_size_up / self.total_size
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode: str = scale_mode if scale_fn else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        self.base_momentums, self.max_momentums = (for_each_group(value, optimizer, name) for value, name in (
            (base_momentum, "base_momentum"), (max_momentum, "max_momentum")))
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, lowest):
                group["lr"] = lr
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lowest
        self._set(self.get_lr())

    def scale_fn(self, x: float) -> float:
        """The height of the cycle, of 1."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return {"triangular": 1.0, "triangular2": 2.0 ** (1 - x), "exp_range": self.gamma ** x}[self.mode]

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums):
                value = high - (high - low) * height
                group.update({"betas": (value, *group["betas"][1:])} if "betas" in group
                             else {"momentum": value})
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_scale_fn_custom": None}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_scale_fn_custom"})
