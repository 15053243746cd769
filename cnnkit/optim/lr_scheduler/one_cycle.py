"""The one-cycle policy: up to a large rate, down to a tiny one, the momentum the other way round."""

from __future__ import annotations

import math
from typing import Any

from cnnkit.foreign import whole
from cnnkit.optim.lr_scheduler.scheduler import LRScheduler, for_each_group
from cnnkit.optim.optimizer import Optimizer

__all__ = ["OneCycleLR"]


class OneCycleLR(LRScheduler):
    """One cycle of the rate over the whole run; to be stepped after every batch.

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer whose rates, and momentum or first beta, are set.
    max_lr : float, or list of float
        The highest rate, of each parameter group.
    total_steps : int
        Steps of the run; or `epochs` times `steps_per_epoch`.
    epochs, steps_per_epoch : int
        In place of `total_steps`.
    pct_start : float
        The part of the run in which the rate rises, from 0 to 1.
    anneal_strategy : {"cos", "linear"}
        The shape of the rise and the fall.
    cycle_momentum : bool
        Whether momentum, or Adam's first beta, goes from `max_momentum` to `base_momentum` and back.
    base_momentum, max_momentum : float, or list of float
        The lowest and the highest momentum.
    div_factor : float
        The first rate is ``max_lr / div_factor``.
    final_div_factor : float
        The last rate is the first one divided by this.
    three_phase : bool
        Fall to the first rate in as many steps as the rise took, and then to the last rate.

    Raises
    ------
    ValueError
        If a setting is out of range, there is no momentum to cycle, or `step` is called more than
        `total_steps` times.

    References
    ----------
    Smith and Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", 2018.

    Examples
    --------
    >>> from cnnkit import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.1, momentum=0.9)
    >>> scheduler = OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> rates = []
    >>> for step in range(3):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> [round(rate, 2) for rate in rates], round(optimizer.param_groups[0]["momentum"], 3)
    ([0.04, 0.52, 1.0], 0.855)
    """

    total_steps: int
    lr_corners: list[list[Any]]

    def __init__(self, optimizer: Optimizer, max_lr: float | list[float], total_steps: int | None = None,
                 epochs: int | None = None, steps_per_epoch: int | None = None, pct_start: float = 0.3,
                 anneal_strategy: str = "cos", cycle_momentum: bool = True,
                 base_momentum: float | list[float] = 0.85, max_momentum: float | list[float] = 0.95,
                 div_factor: float = 25.0, final_div_factor: float = 1e4, three_phase: bool = False,
                 last_epoch: int = -1):
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        total_steps = whole("total_steps", total_steps)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"pct_start must be from 0 to 1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        self.total_steps, self.anneal_strategy = total_steps, anneal_strategy
        self.cycle_momentum = cycle_momentum
        rise, last = pct_start * total_steps, total_steps - 1
        # the last step of each phase
        self.ends: list[Any] = [rise - 1, 2 * rise - 2, last] if three_phase else [rise - 1, last]
        highest = for_each_group(max_lr, optimizer, "max_lr")
        lowest = [lr / div_factor for lr in highest]
        final = [lr / final_div_factor for lr in lowest]
        self.lr_corners = [lowest, highest, lowest, final] if three_phase else [lowest, highest, final]
        low, high = (for_each_group(value, optimizer, name)
                     for value, name in ((base_momentum, "base_momentum"), (max_momentum, "max_momentum")))
        self.momentum_corners: list[list[Any]] = [high, low, high, high] if three_phase else [high, low, high]
        if cycle_momentum and not {"momentum", "betas"} & optimizer.defaults.keys():
            raise ValueError(f"{type(optimizer).__name__} has neither momentum nor betas; "
                             "pass cycle_momentum=False")
        if last_epoch == -1:
            for n, group in enumerate(optimizer.param_groups):  # what PyTorch's keeps there
                group.update(initial_lr=lowest[n], max_lr=highest[n], min_lr=final[n])
                if cycle_momentum:
                    group.update(max_momentum=high[n], base_momentum=low[n])
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise ValueError(f"OneCycleLR was made for {self.total_steps} steps, and this is step "
                             f"{self.last_epoch}; give it the number of batches of the whole run")
        phase = next((n for n, end in enumerate(self.ends) if self.last_epoch <= end), len(self.ends) - 1)
        start = self.ends[phase - 1] if phase else 0.0
        part = (self.last_epoch - start) / (self.ends[phase] - start) if self.ends[phase] > start else 1.0
        if self.cycle_momentum:
            for n, group in enumerate(self.optimizer.param_groups):
                value = self._between(self.momentum_corners, phase, n, part)
                group.update({"betas": (value, *group["betas"][1:])} if "betas" in group
                             else {"momentum": value})
        return [self._between(self.lr_corners, phase, n, part) for n in range(len(self.base_lrs))]

    def _between(self, corners: list[list[float]], phase: int, group: int, part: float) -> float:
        start, end = corners[phase][group], corners[phase + 1][group]
        if self.anneal_strategy == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)
