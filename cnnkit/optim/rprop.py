"""Resilient propagation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all, need_known_way

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Rprop: each number has a step size, which grows while its gradient keeps its sign.

    For whole data sets: the signs of a batch's gradients change by chance.

    Parameters
    ----------
    lr : float
        The first step size.
    etas : pair of float
        The factor of a step size where the sign has changed, and where it was kept.
    step_sizes : pair of float
        The smallest and the largest step size.
    params, maximize, capturable, foreach, differentiable
        As all optimizers have them, with the same errors: see `Optimizer`.

    References
    ----------
    Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm",
    ICNN 1993.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Rprop([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 4) for value in p.tolist()]
    [0.5, 1.5]
    """

    update = update.rprop
    hyper: tuple[str, ...] = ("lr", "etas", "step_sizes", "maximize")
    together: tuple[str, ...] = ("step", "prev", "step_size")

    def __init__(self, params: Iterable[Any], lr: float = 0.01, etas: tuple[float, float] = (0.5, 1.2),
                 step_sizes: tuple[float, float] = (1e-06, 50), *, capturable: bool = False,
                 foreach: bool | None = None, maximize: bool = False, differentiable: bool = False):
        need_known_way(foreach=foreach, capturable=capturable, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize})

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr")
        lower, higher = settings["etas"]
        if not 0 < lower < 1 < higher:
            raise ValueError(f"Invalid eta values: {lower}, {higher}")
