"""Adamax."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all, need_betas, need_known_way

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Adamax: Adam with a running maximum of the gradient's size in place of its root mean square.

    Parameters
    ----------
    betas : pair of float
        Part of the average, and of the maximum, that is kept at each step, in [0, 1).
    eps : float
        Added to the gradient's size.
    params, lr, weight_decay, maximize, foreach, differentiable, capturable
        As all optimizers have them, with the same errors: see `Optimizer`.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 7.1.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adamax([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 4) for value in p.tolist()]
    [0.5, 1.5]
    """

    update = update.adamax
    hyper: tuple[str, ...] = ("lr", "betas", "eps", "weight_decay", "maximize")
    together: tuple[str, ...] = ("step", "exp_avg", "exp_inf")

    def __init__(self, params: Iterable[Any], lr: float = 0.002, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-08, weight_decay: float = 0, foreach: bool | None = None, *,
                 maximize: bool = False, differentiable: bool = False, capturable: bool = False):
        need_known_way(foreach=foreach, capturable=capturable, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "eps", "weight_decay")
        need_betas(settings["betas"])
