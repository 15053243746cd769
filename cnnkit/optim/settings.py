"""What the optimizers' settings may be; PyTorch's words about those that are out of range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.foreign import plain

__all__ = ["as_setting", "need", "need_all", "need_betas", "need_known_way", "number_of"]

# setting -> what PyTorch calls it
NAMES = {"lr": "learning rate", "eps": "epsilon value", "momentum": "momentum value",
         "weight_decay": "weight_decay value", "alpha": "alpha value", "lr_decay": "lr_decay value",
         "initial_accumulator_value": "initial_accumulator_value value",
         "momentum_decay": "momentum_decay value", "trust_coefficient": "trust_coefficient value"}


def need(condition: bool, name: str, value: Any) -> None:
    """Raise PyTorch's error about a setting that is out of range."""
    if not condition:
        raise ValueError(f"Invalid {name}: {value}")


def need_all(settings: Mapping[str, Any], *names: str) -> None:
    """Raise for the first of these settings that is below 0.

    >>> need_all({"lr": 0.1, "eps": -1.0}, "lr", "eps")
    Traceback (most recent call last):
        ...
    ValueError: Invalid epsilon value: -1.0
    """
    for name in names:
        need(settings[name] >= 0, NAMES[name], settings[name])


def need_betas(betas: Any) -> None:
    """Raise unless these are two numbers from 0 to below 1."""
    need(isinstance(betas, tuple | list) and len(betas) == 2, "betas, a pair of numbers", betas)
    for n, beta in enumerate(betas):
        need(0 <= beta < 1, f"beta parameter at index {n}", beta)


def need_known_way(*, foreach: bool | None = None, fused: bool | None = None, capturable: bool = False,
                   differentiable: bool = False) -> None:
    """Check PyTorch's choices of how a step is computed, which change nothing of what it computes.

    Whatever `foreach`, `fused` and `capturable` say, the backend's kernels take all parameters at once.

    Raises
    ------
    RuntimeError
        For `fused` with `foreach` or `differentiable`, as in PyTorch.
    NotImplementedError
        For `differentiable`: a step is no op on the tape.
    """
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    if differentiable:
        raise NotImplementedError("differentiable=True: an optimizer's step is not recorded on the tape; "
                                  "write it with Tensors, such as p - lr * g")


def as_setting(value: Any) -> Any:
    """A setting as Python's number; a Tensor stays, so that who holds it can change it."""
    return value if isinstance(value, Tensor) else plain(value)


def number_of(value: Any) -> Any:
    """A setting's value: of a Tensor with one element, the number in it."""
    if not isinstance(value, Tensor):
        return value
    if value.numel() != 1:
        raise ValueError(f"a Tensor as a setting must have one element; got shape {value.shape}")
    return value.item()
