"""The parameter groups of an optimizer: a new one made of what the user gives, and checked."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.optim.settings import as_setting

__all__ = ["need_new_leaves", "new_group", "required", "warn_of_misspelled"]

Group = dict[str, Any]


class _Required:
    """The default of a setting that every parameter group must give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required: _Required = _Required()


def new_group(param_group: Mapping[str, Any], defaults: Mapping[str, Any], groups: Sequence[Group]) -> Group:
    """A group with all its settings: those that it gives, and the defaults of the others.

    Parameters
    ----------
    param_group : mapping
        ``"params"``, a Tensor or an iterable of Tensors or of pairs of a name and a Tensor; and settings.
    defaults : mapping
        The optimizer's settings.
    groups : sequence of dict
        The groups that the optimizer has already: all of them have names of their parameters, or none.

    Raises
    ------
    TypeError, KeyError, ValueError
        If it is no group, its parameters have no order, or a required setting is missing.

    >>> import cnnkit
    >>> given = {"params": [("bias", cnnkit.zeros(2))], "lr": 0.5}
    >>> group = new_group(given, {"lr": 0.1, "momentum": 0.0}, [])
    >>> group["param_names"], group["lr"], group["momentum"]
    (['bias'], 0.5, 0.0)
    """
    if not isinstance(param_group, Mapping):
        raise TypeError(f"a parameter group must be a dict; got {type(param_group).__name__}")
    if "params" not in param_group:
        raise KeyError('a parameter group needs its parameters under "params"; '
                       f"it has {', '.join(map(repr, param_group))}")
    params = param_group["params"]
    if isinstance(params, set):
        raise TypeError("the parameters of a group need an order, and a set has none: give a list")
    names, params = _named([params] if isinstance(params, Tensor) else list(params))
    if groups and (names is None) != ("param_names" not in groups[0]):
        raise ValueError("all groups of an optimizer need names of their parameters, or none: give "
                         "named_parameters() to each, or parameters()")
    group = {"params": params, **({} if names is None else {"param_names": names}), **defaults,
             **{name: as_setting(value) for name, value in param_group.items() if name != "params"}}
    for name, value in group.items():
        if value is required:
            raise ValueError("parameter group didn't specify a value of required optimization "
                             f"parameter {name}")
    return group


def _named(params: list[Any]) -> tuple[list[str] | None, list[Any]]:
    """Names and parameters of pairs; ``None`` and the parameters where they have no names."""
    pairs = [isinstance(p, tuple) for p in params]
    if not any(pairs):
        return None, params
    if not all(pairs):
        raise ValueError("all parameters need a name, or none: give named_parameters(), or parameters()")
    return [name for name, _ in params], [p for _, p in params]


def warn_of_misspelled(optimizer: str, group: Group, defaults: Mapping[str, Any]) -> None:
    """Warn of names in a group that are almost those of settings."""
    for name in group:
        close = difflib.get_close_matches(name, defaults, n=1, cutoff=0.85)
        if close and name not in defaults:
            warnings.warn(f"{optimizer} does not read {name!r} of a parameter group; "
                          f"did you mean {close[0]!r}?", stacklevel=4)


def need_new_leaves(params: Sequence[Any], groups: Sequence[Group]) -> None:
    """Raise unless all these are leaf Tensors, and each is a parameter of an optimizer only once."""
    seen = {id(p) for group in groups for p in group["params"]}
    for p in params:
        if not isinstance(p, Tensor):
            raise TypeError("optimizer can only optimize Tensors, "
                            f"but one of the params is {type(p).__name__}")
        if not p.is_leaf:
            raise ValueError("can't optimize a non-leaf Tensor: this one is the result of a recorded op")
        if id(p) in seen:
            raise ValueError("some parameters appear more than once, in one parameter group or in two")
        seen.add(id(p))
