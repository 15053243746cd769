"""The base of all schedules: counts steps, and sets the learning rate of each of the optimizer's groups."""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Mapping
from typing import Any

from cnnkit.autograd.tape import mode
from cnnkit.foreign import is_whole, plain
from cnnkit.optim.optimizer import Optimizer

__all__ = ["LRScheduler"]


class LRScheduler:
    """Base of all schedules; a subclass defines `get_lr`.

    It is called with `last_epoch` 0 when the schedule is made, as in PyTorch. Most schedules change the rate
    that they find, so that several may act on one optimizer.

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer whose rates are set. The first schedule notes each group's rate as the group's
        ``"initial_lr"``.
    last_epoch : int
        The step after which to go on, whose ``"initial_lr"`` the groups have; -1 to begin.

    Attributes
    ----------
    base_lrs : list of float
        The initial rate of each parameter group.
    last_epoch : int
        How many times `step` was called: epochs or batches, whichever the schedule counts.

    Raises
    ------
    TypeError
        If `optimizer` is no Optimizer.
    KeyError
        If a group has no ``"initial_lr"`` to go on from.

    >>> from cnnkit import optim, tensor
    >>> class InverseRoot(LRScheduler):
    ...     def get_lr(self):
    ...         return [base / (self.last_epoch + 1) ** 0.5 for base in self.base_lrs]
    >>> scheduler = InverseRoot(optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0))
    >>> for epoch in range(3):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for n, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"param 'initial_lr' is not specified in param_groups[{n}]: with last_epoch="
                               f"{last_epoch}, load the optimizer's state first")
        self.base_lrs: list[Any] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch: int = last_epoch + 1
        self._set(self.first(self._lrs()) if last_epoch == -1 else self.resumed())

    def get_lr(self) -> list[float]:
        """The groups' rates at step `last_epoch`, from those of the step before."""
        raise NotImplementedError(f"{type(self).__name__} must define get_lr()")

    def first(self, lrs: list[float]) -> list[float]:
        """The groups' rates at step 0, made from the rates `lrs`, which the groups have."""
        return self.get_lr()

    def resumed(self) -> list[float]:
        """The groups' rates at step `last_epoch` of a schedule that was made to go on from the one before."""
        return self.get_lr()

    def begin(self) -> None:
        """Start at step 0; `SequentialLR` calls this at the schedule's milestone.

        From the initial rates, or those that it finds where it cannot compute the rate of any step from them.
        """
        self.restart(list(self.base_lrs) if hasattr(self, "_get_closed_form_lr") else self._lrs())

    def restart(self, lrs: list[float]) -> None:
        """Start at step 0 from the rates `lrs`, as a part of another schedule."""
        self.last_epoch = 0
        self._set(lrs)
        self._set(self.first(lrs))

    def step(self, epoch: int | None = None) -> None:
        """Advance one step; to be called after the optimizer's ``step()``.

        With `epoch`, go there instead, as PyTorch still allows: schedules that can compute the rate of any
        step from the initial one do so, and others change the rate that they find.
        """
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        at_once = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
        self._set(self.get_lr() if at_once is None else at_once())

    def get_last_lr(self) -> list[float]:
        """The rates that this schedule set last, one for each parameter group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything but the optimizer, in Python's own types, to go on from later."""
        return {name: copy.deepcopy(value) for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load what `state_dict` returned. The rates themselves are the optimizer's state: load that too.

        Raises
        ------
        ValueError
            If it holds a name of a method, other numbers of rates than the optimizer has groups, or less than
            1 for a setting that counts steps, such as ``step_size``.
        """
        groups = len(self.optimizer.param_groups)
        for name in inspect.signature(type(self)).parameters:
            here, saved = vars(self).get(name), state_dict.get(name, 1)
            counts_steps = isinstance(here, int) and not isinstance(here, bool) and here >= 1
            if counts_steps and not (is_whole(saved) and operator.index(saved) >= 1):
                raise ValueError(f"{name} must be a whole number, 1 or more (here {here}); got {saved!r}")
        for name, value in state_dict.items():
            if name == "optimizer" or name in dir(type(self)):
                raise ValueError(f"the state of a {type(self).__name__} cannot have {name!r}")
            if name in ("base_lrs", "_last_lr") and (
                    not isinstance(value, list) or len(value) != groups
                    or not all(isinstance(lr, int | float) for lr in value)):
                raise ValueError(f"{name} must have a rate for each of {groups} parameter groups, not "
                                 f"{value!r}")
        vars(self).update(copy.deepcopy(dict(state_dict)))

    def _lrs(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _set(self, lrs: list[float]) -> None:
        if mode.recorder is not None:
            mode.recorder.fail("a schedule sets the learning rate; let it step after the captured step")
        lrs = [plain(lr) for lr in lrs]
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr
        self._last_lr = lrs


def for_each_group(value: Any, optimizer: Optimizer, name: str) -> list[Any]:
    """`value` repeated for each parameter group; a list with one value for each is returned as a list."""
    count = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{name} has {len(value)} values, but the optimizer has {count} parameter groups")
    return list(value)
