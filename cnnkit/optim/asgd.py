"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all, need_known_way

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Gradient descent whose rate falls, and which averages the parameters from step `t0` on.

    The average of each parameter is its ``"ax"`` in `state_dict`.

    Parameters
    ----------
    lambd : float
        Part of the parameter that is taken away at each step, times the rate.
    alpha : float
        The power with which the rate falls.
    t0 : float
        The step after which the average begins.
    params, lr, weight_decay, maximize, foreach, differentiable, capturable
        As all optimizers have them, with the same errors: see `Optimizer`.

    References
    ----------
    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 1992.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ASGD([p], lr=0.25)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 4) for value in p.tolist()]
    [0.5, 1.0]
    """

    update = update.asgd
    hyper: tuple[str, ...] = ("lr", "lambd", "alpha", "t0", "weight_decay", "maximize")
    together: tuple[str, ...] = ("step", "eta", "mu", "ax")
    numbers: tuple[str, ...] = ("eta", "mu")

    def __init__(self, params: Iterable[Any], lr: float = 0.01, lambd: float = 0.0001, alpha: float = 0.75,
                 t0: float = 1000000.0, weight_decay: float = 0, foreach: bool | None = None,
                 maximize: bool = False, differentiable: bool = False, capturable: bool = False):
        need_known_way(foreach=foreach, capturable=capturable, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0,
                                  "weight_decay": weight_decay, "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "weight_decay")
