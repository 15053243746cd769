"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all, need_known_way

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Adagrad: steps divided by the root of the sum of all squared gradients so far.

    Parameters
    ----------
    lr_decay : float
        The rate is divided by 1 plus this times the steps before.
    initial_accumulator_value : float
        Where the sum begins.
    eps : float
        Added to the divisor.
    params, lr, weight_decay, maximize, foreach, differentiable, fused
        As all optimizers have them, with the same errors: see `Optimizer`.

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    JMLR 2011.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adagrad([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 4) for value in p.tolist()]
    [0.5, 1.5]
    """

    update = update.adagrad
    hyper: tuple[str, ...] = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps",
                              "maximize")
    together: tuple[str, ...] = ("step", "sum")

    def __init__(self, params: Iterable[Any], lr: float = 0.01, lr_decay: float = 0,
                 weight_decay: float = 0, initial_accumulator_value: float = 0, eps: float = 1e-10,
                 foreach: bool | None = None, *, maximize: bool = False, differentiable: bool = False,
                 fused: bool | None = None):
        need_known_way(foreach=foreach, fused=fused, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay,
                                  "initial_accumulator_value": initial_accumulator_value, "eps": eps,
                                  "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
