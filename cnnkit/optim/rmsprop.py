"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all, need_known_way

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """RMSprop: steps divided by a running root mean square of the gradient.

    Parameters
    ----------
    alpha : float
        Part of the average of squares that is kept at each step.
    eps : float
        Added to the divisor.
    momentum : float
        Part of the last step's direction that is kept.
    centered : bool
        Divide by the standard deviation of the gradient: subtract the square of its average.
    params, lr, weight_decay, maximize, capturable, foreach, differentiable
        As all optimizers have them, with the same errors: see `Optimizer`.

    References
    ----------
    Tieleman and Hinton, "Lecture 6.5: RMSprop", Coursera 2012; centered, Graves, "Generating sequences with
    recurrent neural networks", 2013.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = RMSprop([p], lr=0.05)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 4) for value in p.tolist()]
    [0.5, 1.5]
    """

    update = update.rmsprop
    hyper: tuple[str, ...] = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered", "maximize")
    together: tuple[str, ...] = ("step", "square_avg")

    def __init__(self, params: Iterable[Any], lr: float = 0.01, alpha: float = 0.99, eps: float = 1e-08,
                 weight_decay: float = 0, momentum: float = 0, centered: bool = False,
                 capturable: bool = False, foreach: bool | None = None, maximize: bool = False,
                 differentiable: bool = False):
        need_known_way(foreach=foreach, capturable=capturable, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay,
                                  "momentum": momentum, "centered": centered, "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "eps", "momentum", "weight_decay", "alpha")
