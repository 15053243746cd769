"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all, need_known_way

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013).

    Parameters
    ----------
    momentum : float
        Part of the last step's direction that is kept.
    dampening : float
        Part of the gradient that is left out of that direction.
    weight_decay : float
        This factor times the parameter is added to its gradient, which has the effect of
        ``weight_decay * functional.l2_penalty(params)`` in the loss.
    nesterov : bool
        Nesterov's momentum; needs momentum and no dampening.
    params, lr, maximize, foreach, fused, differentiable
        As all optimizers have them, with the same errors: see `Optimizer`.

    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=0.5)
    >>> p.sum().backward()
    >>> optimizer.step()
    >>> p.tolist()
    [0.5, 1.5]
    """

    update = update.sgd
    hyper: tuple[str, ...] = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0, dampening: float = 0,
                 weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False,
                 foreach: bool | None = None, differentiable: bool = False, fused: bool | None = None):
        need_known_way(foreach=foreach, fused=fused, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "momentum": momentum, "dampening": dampening,
                                  "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "momentum", "weight_decay")
        if settings["nesterov"] and (settings["momentum"] <= 0 or settings["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
