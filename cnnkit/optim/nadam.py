"""NAdam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all, need_betas, need_known_way

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """NAdam: Adam with Nesterov's momentum.

    Parameters
    ----------
    betas : pair of float
        Part of each of the two averages that is kept at each step, in [0, 1).
    eps : float
        Added to the divisor.
    momentum_decay : float
        How fast the momentum grows to the first of `betas`.
    decoupled_weight_decay : bool
        Multiply the parameter by ``1 - lr * weight_decay`` in place of adding to its gradient.
    params, lr, weight_decay, maximize, foreach, capturable, differentiable
        As all optimizers have them, with the same errors: see `Optimizer`.

    References
    ----------
    Dozat, "Incorporating Nesterov momentum into Adam", ICLR 2016 workshop.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = NAdam([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 4) for value in p.tolist()]
    [0.4718, 1.4718]
    """

    update = update.nadam
    hyper: tuple[str, ...] = ("lr", "betas", "eps", "weight_decay", "momentum_decay",
                              "decoupled_weight_decay", "maximize")
    together: tuple[str, ...] = ("step", "mu_product", "exp_avg", "exp_avg_sq")
    numbers: tuple[str, ...] = ("mu_product",)

    def __init__(self, params: Iterable[Any], lr: float = 0.002, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-08, weight_decay: float = 0, momentum_decay: float = 0.004,
                 decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
                 maximize: bool = False, capturable: bool = False, differentiable: bool = False):
        need_known_way(foreach=foreach, capturable=capturable, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "momentum_decay": momentum_decay,
                                  "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "eps", "weight_decay", "momentum_decay")
        need_betas(settings["betas"])
