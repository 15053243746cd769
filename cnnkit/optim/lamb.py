"""LAMB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all, need_betas

__all__ = ["LAMB"]


class LAMB(Optimizer):
    """LAMB: Adam's direction with decoupled weight decay, and a rate for each parameter that suits its norm.

    PyTorch has none.

    Parameters
    ----------
    betas : pair of float
        Part of each of the two averages that is kept at each step, in [0, 1).
    eps : float
        Added to the divisor.
    weight_decay : float
        This factor times the parameter is added to the direction.
    params, lr, maximize
        As all optimizers have them, with the same errors: see `Optimizer`.

    References
    ----------
    You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = LAMB([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 4) for value in p.tolist()]
    [0.8419, 1.8419]
    """

    update = update.lamb
    hyper: tuple[str, ...] = ("lr", "betas", "eps", "weight_decay", "maximize")
    together: tuple[str, ...] = ("step", "exp_avg", "exp_avg_sq")

    def __init__(self, params: Iterable[Any], lr: float = 0.001, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-06, weight_decay: float = 0.0, *, maximize: bool = False):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "eps", "weight_decay")
        need_betas(settings["betas"])
