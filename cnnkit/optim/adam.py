"""Adam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all, need_betas, need_known_way

__all__ = ["Adam"]


class Adam(Optimizer):
    """Adam: steps scaled by running averages of the gradient and of its square.

    Parameters
    ----------
    betas : pair of float
        Part of each of the two averages that is kept at each step, in [0, 1).
    eps : float
        Added to the divisor.
    weight_decay : float
        This factor times the parameter is added to its gradient; `AdamW` keeps it out of the averages.
    amsgrad : bool
        Divide by the largest average of the square so far (Reddi, Kale and Kumar 2018).
    decoupled_weight_decay : bool
        Multiply the parameter by ``1 - lr * weight_decay`` and leave its gradient alone, as `AdamW` does.
    params, lr, maximize, foreach, capturable, differentiable, fused
        As all optimizers have them, with the same errors: see `Optimizer`.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adam([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 6) for value in p.tolist()]
    [0.5, 1.5]
    """

    update = update.adam
    together: tuple[str, ...] = ("step", "exp_avg", "exp_avg_sq")
    hyper: tuple[str, ...] = ("lr", "betas", "eps", "weight_decay", "amsgrad", "decoupled_weight_decay",
                              "maximize")

    def __init__(self, params: Iterable[Any], lr: float = 1e-3,
                 betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, amsgrad: bool = False, *, foreach: bool | None = None,
                 maximize: bool = False, capturable: bool = False, differentiable: bool = False,
                 fused: bool | None = None, decoupled_weight_decay: bool = False):
        need_known_way(foreach=foreach, fused=fused, capturable=capturable, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "amsgrad": amsgrad, "maximize": maximize,
                                  "decoupled_weight_decay": decoupled_weight_decay})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "eps", "weight_decay")
        need_betas(settings["betas"])
