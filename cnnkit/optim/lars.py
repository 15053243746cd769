"""LARS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all

__all__ = ["LARS"]


class LARS(Optimizer):
    """LARS: gradient descent with momentum, and a rate for each parameter that suits its norm.

    PyTorch has none. Biases and normalisation layers' parameters are usually given to `SGD` in its place.

    Parameters
    ----------
    momentum : float
        Part of the last step's direction that is kept.
    dampening : float
        Part of the gradient that is left out of that direction.
    nesterov : bool
        Nesterov's momentum; needs momentum and no dampening.
    trust_coefficient : float
        How far a parameter moves, as a part of its norm, at a rate of 1.
    eps : float
        Added to the divisor.
    params, lr, weight_decay, maximize
        As all optimizers have them, with the same errors: see `Optimizer`.

    References
    ----------
    You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = LARS([p], trust_coefficient=1.0, momentum=0)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 4) for value in p.tolist()]
    [0.9, 1.8]
    """

    update = update.lars
    hyper: tuple[str, ...] = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "trust_coefficient",
                              "eps", "maximize")

    def __init__(self, params: Iterable[Any], lr: float = 0.1, momentum: float = 0.9, dampening: float = 0,
                 weight_decay: float = 0, nesterov: bool = False, trust_coefficient: float = 0.001,
                 eps: float = 1e-08, *, maximize: bool = False):
        super().__init__(params, {"lr": lr, "momentum": momentum, "dampening": dampening,
                                  "weight_decay": weight_decay, "nesterov": nesterov,
                                  "trust_coefficient": trust_coefficient, "eps": eps, "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "momentum", "weight_decay", "trust_coefficient", "eps")
        if settings["nesterov"] and (settings["momentum"] <= 0 or settings["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
