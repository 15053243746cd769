"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need, need_all, need_known_way

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Adadelta: as RMSprop, with the root mean square of the steps so far as the rate.

    Parameters
    ----------
    lr : float
        A factor of the steps.
    rho : float
        Part of the averages of squares that is kept at each step, in [0, 1].
    eps : float
        Added to both averages; it makes the first steps.
    params, weight_decay, maximize, foreach, capturable, differentiable
        As all optimizers have them, with the same errors: see `Optimizer`.

    References
    ----------
    Zeiler, "ADADELTA: an adaptive learning rate method", 2012.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adadelta([p], eps=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 4) for value in p.tolist()]
    [0.1056, 1.0299]
    """

    update = update.adadelta
    hyper: tuple[str, ...] = ("lr", "rho", "eps", "weight_decay", "maximize")
    together: tuple[str, ...] = ("step", "square_avg", "acc_delta")

    def __init__(self, params: Iterable[Any], lr: float = 1.0, rho: float = 0.9, eps: float = 1e-06,
                 weight_decay: float = 0, foreach: bool | None = None, *, capturable: bool = False,
                 maximize: bool = False, differentiable: bool = False):
        need_known_way(foreach=foreach, capturable=capturable, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay,
                                  "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "eps", "weight_decay")
        need(0 <= settings["rho"] <= 1, "rho value", settings["rho"])
