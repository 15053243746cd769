"""Averages of weights: stochastic weight averaging and exponential ones, with PyTorch's names."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

from cnnkit import autograd
from cnnkit.autograd import Tensor, no_grad
from cnnkit.nn import Module
from cnnkit.nn.norm import _BatchNorm
from cnnkit.optim.lr_scheduler.scheduler import LRScheduler, for_each_group
from cnnkit.optim.optimizer import Optimizer

__all__ = ["SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn",
           "get_swa_multi_avg_fn", "update_bn"]

AverageOne = Callable[[Tensor, Tensor, Any], Tensor]
AverageAll = Callable[[list[Tensor], list[Tensor], Any], None]


def get_ema_avg_fn(decay: float = 0.999) -> AverageOne:
    """The exponential average of one parameter: of the average, `decay` is kept.

    >>> import cnnkit
    >>> get_ema_avg_fn(0.5)(cnnkit.tensor([1.0]), cnnkit.tensor([2.0]), 1)
    tensor([1.5])
    """
    if not 0 <= decay <= 1:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")

    @no_grad()
    def average(averaged: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        return decay * averaged + (1 - decay) * current
    return average


def get_swa_avg_fn() -> AverageOne:
    """The mean of one parameter over all models so far."""
    @no_grad()
    def average(averaged: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        return averaged + (current - averaged) / (int(num_averaged) + 1)
    return average


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageAll:
    """The exponential average of lists of parameters, in place; see `get_ema_avg_fn`."""
    return _of_all(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> AverageAll:
    """The mean of lists of parameters, in place; see `get_swa_avg_fn`."""
    return _of_all(get_swa_avg_fn())


def _of_all(average: AverageOne) -> AverageAll:
    @no_grad()
    def average_all(averaged: list[Tensor], current: list[Tensor], num_averaged: Any) -> None:
        for mine, new in zip(averaged, current, strict=True):
            mine.copy_(average(mine, new, num_averaged))
    return average_all


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's (Izmailov et al. 2018).

    The first `update_parameters` copies; each later one averages, equally if nothing else is said.

    Parameters
    ----------
    model : Module
        The model to copy.
    device : str or device, optional
        Where the copy is.
    avg_fn : callable, optional
        ``avg_fn(averaged, current, num_averaged)``, the new average of one parameter.
    multi_avg_fn : callable, optional
        ``multi_avg_fn(averaged, current, num_averaged)``, which changes the first list's Tensors in place.
    use_buffers : bool
        Average buffers too; they are copied otherwise.

    >>> import cnnkit
    >>> from cnnkit import nn
    >>> model = nn.Linear(1, 1, bias=False)
    >>> averaged = AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     with cnnkit.no_grad():
    ...         _ = model.weight.fill_(value)
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight.item()
    3.0
    """

    n_averaged: Tensor
    avg_fn: AverageOne | None
    multi_avg_fn: AverageAll | None
    use_buffers: bool

    def __init__(self, model: Module, device: Any = None, avg_fn: AverageOne | None = None,
                 multi_avg_fn: AverageAll | None = None, use_buffers: bool = False):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module: Module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", autograd.tensor(0, dtype="int64", device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's output."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take a model's parameters, as they are now, into the averages."""
        mine, theirs = (list(itertools.chain(m.parameters(), m.buffers() if self.use_buffers else ()))
                        for m in (self.module, model))
        current = [new.detach().to(old.device) for old, new in zip(mine, theirs, strict=True)]
        averaged = [old.detach() for old in mine]  # it shares their memory
        with no_grad():
            if int(self.n_averaged) == 0:
                for old, new in zip(averaged, current):
                    old.copy_(new)
            elif self.avg_fn is None:
                (self.multi_avg_fn or get_swa_multi_avg_fn())(averaged, current, self.n_averaged)
            else:
                for old, new in zip(averaged, current):
                    old.copy_(self.avg_fn(old, new, self.n_averaged))
            if not self.use_buffers:
                for old, new in zip(self.module.buffers(), model.buffers(), strict=True):
                    old.copy_(new.detach().to(old.device))
            self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of batch normalization anew, as means over all of a loader's batches.

    Parameters
    ----------
    loader : iterable
        Gives batches: a Tensor, or a list or tuple whose first element is one.
    model : Module
        The model, which is called with each batch in training mode.
    device : str or device, optional
        Where batches are moved to.
    """
    momenta = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    try:
        for module in momenta:
            module.reset_running_stats()
            module.momentum = None
        for batch in loader:
            images = batch[0] if isinstance(batch, list | tuple) else batch
            model(images if device is None else images.to(device))
    finally:
        for module, momentum in momenta.items():
            module.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """From the rate to `swa_lr` in `anneal_epochs` steps, and there it stays.

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer whose rates are set.
    swa_lr : float, or list of float
        The last rate, of each parameter group.
    anneal_epochs : int
        Steps until it is reached.
    anneal_strategy : {"cos", "linear"}
        The way there.
    last_epoch : int
        The step after which to go on; -1 to begin.

    >>> from cnnkit import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> for epoch in range(3):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    anneal_epochs: int

    def __init__(self, optimizer: Optimizer, swa_lr: float | list[float], anneal_epochs: int = 10,
                 anneal_strategy: str = "cos", last_epoch: int = -1):
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for lr, group in zip(for_each_group(swa_lr, optimizer, "swa_lr"), optimizer.param_groups):
            group["swa_lr"] = lr
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        step = self.last_epoch if self.anneal_epochs else max(1, self.last_epoch)
        before, now = (self._part(n) for n in (step - 1, step))
        rates = []
        for group in self.optimizer.param_groups:
            lr, last = group["lr"], group["swa_lr"]
            first = last if before == 1 else (lr - before * last) / (1 - before)
            rates.append(last * now + first * (1 - now))
        return rates

    def _part(self, step: int) -> float:
        """How much of the way has been gone."""
        part = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2
