"""Parameter groups: other learning rates for other parts of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnkit import nn
from cnnkit.transfer_learning.freezing import named_parts

__all__ = ["parameter_groups"]


def parameter_groups(model: nn.Module, rates: Mapping[str, float], lr: float) -> list[dict[str, Any]]:
    """Groups for an optimizer, with a learning rate of their own each.

    Frozen parameters are in them too: an optimizer passes over what has no gradient, and may go on with it
    once it is unfrozen.

    Parameters
    ----------
    model : Module
    rates : mapping of str to float
        Parts of the model, named as in `freeze` (``"head"``, ``"backbone"``, ``"layer4"``, ``"features.*"``),
        and their learning rates. A parameter belongs to the first that it is a part of.
    lr : float
        The rate of all others.

    Returns
    -------
    list of dict
        With ``"params"``, ``"lr"`` and ``"name"``.

    Raises
    ------
    ValueError
        If the model has no such part, or it has no parameters that are not in a group before.

    >>> from cnnkit import models, optim
    >>> model = models.resnet18(width_mult=0.125)
    >>> optimizer = optim.SGD(parameter_groups(model, {"head": 0.1, "layer4": 0.01}, lr=0.001), momentum=0.9)
    >>> [(group["name"], group["lr"], len(group["params"])) for group in optimizer.param_groups]
    [('head', 0.1, 2), ('layer4', 0.01, 15), ('all others', 0.001, 45)]
    """
    left = dict(model.named_parameters())
    groups = []
    for part, rate in rates.items():
        names = [name for name in named_parts(model, part)[0] if name in left]
        if not names:
            raise ValueError(f"{part!r} has no parameters that are not in a group before it: "
                             f"{', '.join(rates)}")
        groups.append({"params": [left.pop(name) for name in names], "lr": rate, "name": part})
    if left:
        groups.append({"params": [*left.values()], "lr": lr, "name": "all others"})
    return groups
