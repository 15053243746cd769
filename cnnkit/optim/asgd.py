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
    params : iterable of Tensor, or of dict
        Parameters, or groups of them with their own settings.
    lr : float
        Learning rate.
    lambd : float
        Part of the parameter that is taken away at each step, times the rate.
    alpha : float
        The power with which the rate falls.
    t0 : float
        The step after which the average begins.
    weight_decay : float
        This factor times the parameter is added to its gradient.
    maximize : bool
        Go up the gradient.
    foreach, differentiable, capturable
        How PyTorch computes the step; see `settings.need_known_way`.

    Raises
    ------
    ValueError, TypeError
        As `Optimizer`.

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
    hyper = ("lr", "lambd", "alpha", "t0", "weight_decay", "maximize")
    together = ("step", "eta", "mu", "ax")
    numbers = ("eta", "mu")

    def __init__(self, params: Iterable[Any], lr: float = 0.01, lambd: float = 0.0001, alpha: float = 0.75,
                 t0: float = 1000000.0, weight_decay: float = 0, foreach: bool | None = None,
                 maximize: bool = False, differentiable: bool = False, capturable: bool = False):
        need_known_way(foreach=foreach, capturable=capturable, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0,
                                  "weight_decay": weight_decay, "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "weight_decay")
