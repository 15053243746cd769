"""Lion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all, need_betas

__all__ = ["Lion"]


class Lion(Optimizer):
    """Lion: steps of one size along the sign of a running average of the gradient.

    PyTorch has none. Its rate is about a tenth of `AdamW`'s, its weight decay ten times as large.

    Parameters
    ----------
    betas : pair of float
        Part of the average that is kept, in the step and in the average for the next one, in [0, 1).
    weight_decay : float
        The parameter is multiplied by ``1 - lr * weight_decay`` at each step.
    params, lr, maximize
        As all optimizers have them, with the same errors: see `Optimizer`.

    References
    ----------
    Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Lion([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 4) for value in p.tolist()]
    [0.5, 1.5]
    """

    update = update.lion
    hyper: tuple[str, ...] = ("lr", "betas", "weight_decay", "maximize")
    together: tuple[str, ...] = ("exp_avg",)

    def __init__(self, params: Iterable[Any], lr: float = 0.0001, betas: tuple[float, float] = (0.9, 0.99),
                 weight_decay: float = 0.0, *, maximize: bool = False):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay,
                                  "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "weight_decay")
        need_betas(settings["betas"])
