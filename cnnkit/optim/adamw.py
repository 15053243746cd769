"""AdamW."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnnkit.optim.adam import Adam

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam with decoupled weight decay: each step first multiplies parameters by 1 - lr * weight_decay.

    Parameters and errors are those of `Adam`, but for `decoupled_weight_decay`.

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([1.0], requires_grad=True)
    >>> optimizer = AdamW([p], lr=0.5, weight_decay=0.5)
    >>> (p * 0).sum().backward()
    >>> optimizer.step()
    >>> p.tolist()
    [0.75]
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-3,
                 betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
                 foreach: bool | None = None, capturable: bool = False, differentiable: bool = False,
                 fused: bool | None = None):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
                         capturable=capturable, differentiable=differentiable, fused=fused,
                         decoupled_weight_decay=True)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load a state, of `Adam` too; the weight decay stays decoupled."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
