"""The parameters that a run trains: its optimizer's, not all of the model's and perhaps others too."""

from __future__ import annotations

from cnnkit.autograd import Tensor
from cnnkit.nn import Module
from cnnkit.optim import Optimizer

__all__ = ["named", "parameters"]


def parameters(optimizer: Optimizer) -> list[Tensor]:
    """The optimizer's parameters, group by group."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def named(optimizer: Optimizer, model: Module) -> list[tuple[str, Tensor]]:
    """The optimizer's parameters by their names in the model; those that are not the model's by position.

    >>> from cnnkit import nn, optim, tensor
    >>> model, weight_of_loss = nn.Linear(2, 1), tensor([1.0], requires_grad=True)
    >>> [name for name, _ in named(optim.SGD([model.bias, weight_of_loss]), model)]
    ['bias', 'optimizer.0.1']
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [(names.get(id(parameter), f"optimizer.{n}.{i}"), parameter)
            for n, group in enumerate(optimizer.param_groups) for i, parameter in enumerate(group["params"])]
