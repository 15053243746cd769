"""Muon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.ops import update
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all

__all__ = ["Muon"]


class Muon(Optimizer):
    """Muon: momentum whose matrix is made nearly orthogonal, so that all its directions count alike.

    For the hidden layers' matrices; give other parameters to `AdamW`. The iteration runs in the parameter's
    dtype, float32 at least, where PyTorch rounds to bfloat16: results agree to about 1 in 100 of a step.

    Parameters
    ----------
    weight_decay : float
        The parameter is multiplied by ``1 - lr * weight_decay`` at each step.
    momentum : float
        Part of the gradient's average that is kept at each step.
    nesterov : bool
        Nesterov's momentum.
    ns_coefficients : three floats
        Coefficients of the iteration that makes a matrix orthogonal.
    eps : float
        The least norm by which a matrix is divided.
    ns_steps : int
        Steps of the iteration, below 100.
    adjust_lr_fn : {"original", "match_rms_adamw"}, optional
        How the rate depends on the matrix's shape: ``sqrt(max(1, rows / columns))`` times as high, or ``0.2 *
        sqrt(max(rows, columns))`` times, which suits the rates of AdamW.
    params, lr
        As all optimizers have them, with the same errors: see `Optimizer`.

    References
    ----------
    Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; Liu et al., "Muon is
    scalable for LLM training", 2025.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    >>> optimizer = Muon([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p.shape
    (2, 2)
    """

    update = update.muon
    hyper: tuple[str, ...] = ("lr", "weight_decay", "momentum", "nesterov", "ns_coefficients", "eps",
                              "ns_steps", "adjust_lr_fn")
    together: tuple[str, ...] = ("momentum_buffer",)

    def __init__(self, params: Iterable[Any], lr: float = 0.001, weight_decay: float = 0.1,
                 momentum: float = 0.95, nesterov: bool = True, ns_coefficients: tuple[float, float,
                 float] = (3.4445, -4.775, 2.0315), eps: float = 1e-07, ns_steps: int = 5,
                 adjust_lr_fn: str | None = None):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum,
                                  "nesterov": nesterov, "ns_coefficients": ns_coefficients, "eps": eps,
                                  "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn})

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add a group, of matrices only; see `Optimizer.add_param_group`."""
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            if p.ndim != 2:
                raise ValueError("Muon only supports 2D parameters whereas we found a parameter with size: "
                                 f"{p.shape}; give that to AdamW")

    def check(self, settings: Mapping[str, Any]) -> None:
        need_all(settings, "lr", "momentum", "weight_decay", "eps")
        adjust = settings["adjust_lr_fn"]
        if adjust not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"adjust_lr_fn is 'original' or 'match_rms_adamw'; got {adjust!r}")
        if settings["ns_steps"] >= 100:
            raise ValueError(f"ns_steps must be below 100; got {settings['ns_steps']}")
        if len(settings["ns_coefficients"]) != 3:
            raise ValueError(f"ns_coefficients are three numbers; got {settings['ns_coefficients']}")
