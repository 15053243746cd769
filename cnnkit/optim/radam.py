"""RAdam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all, need_betas, need_known_way

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """RAdam: Adam that begins as momentum alone, until its average of squares has seen enough steps.

    Parameters
    ----------
    betas : pair of float
        Part of each of the two averages that is kept at each step, in [0, 1).
    eps : float
        Added to the divisor.
    decoupled_weight_decay : bool
        Multiply the parameter by ``1 - lr * weight_decay`` in place of adding to its gradient.
    params, lr, weight_decay, maximize, foreach, capturable, differentiable
        As all optimizers have them, with the same errors: see `Optimizer`.

    References
    ----------
    Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = RAdam([p], lr=0.25)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 4) for value in p.tolist()]
    [0.5, 1.0]
    """

    update = update.radam
    hyper: tuple[str, ...] = ("lr", "betas", "eps", "weight_decay", "decoupled_weight_decay", "maximize")
    together: tuple[str, ...] = ("step", "exp_avg", "exp_avg_sq")

    def __init__(self, params: Iterable[Any], lr: float = 0.001, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-08, weight_decay: float = 0, decoupled_weight_decay: bool = False, *,
                 foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
                 differentiable: bool = False):
        need_known_way(foreach=foreach, capturable=capturable, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "eps", "weight_decay")
        need_betas(settings["betas"])
