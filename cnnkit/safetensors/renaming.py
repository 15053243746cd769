"""Weights under other names, and for images whose channels come in the other order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from cnnkit.autograd import Tensor

__all__ = ["KeyMap", "rename", "reverse_channels"]

Value = TypeVar("Value")
KeyMap = Mapping[str, str | None] | Callable[[str], str | None] | Sequence[tuple[str, str]]


def rename(tensors: Mapping[str, Value], keys: KeyMap | None) -> dict[str, Value]:
    """Tensors by other names.

    Parameters
    ----------
    tensors : mapping of str to anything
    keys : mapping, function, or sequence of pairs, optional
        A mapping from old names to new ones, in which names that stay may be missing; a function of the name;
        or pairs (pattern, replacement) of `re.sub`, all applied one after the other. A new name of ``None``
        leaves the Tensor out.

    Raises
    ------
    ValueError
        If two Tensors would have one name.

    >>> rename({"module.conv.weight": 1, "module.fc.bias": 2}, [(r"^module\\.", ""), (r"^fc\\.", "linear.")])
    {'conv.weight': 1, 'linear.bias': 2}
    >>> rename({"a": 1, "b": 2}, {"a": "c", "b": None})
    {'c': 1}
    """
    renamed: dict[str, Value] = {}
    old_names: dict[str, str] = {}
    for name, value in tensors.items():
        new = _renamed(name, keys)
        if new is None:
            continue
        if new in renamed:
            raise ValueError(f"the key map gives {old_names[new]!r} and {name!r} one name, {new!r}")
        renamed[new], old_names[new] = value, name
    return renamed


def _renamed(name: str, keys: KeyMap | None) -> str | None:
    if keys is None:
        return name
    if isinstance(keys, Mapping):
        return keys.get(name, name)
    if callable(keys):
        return keys(name)
    for pattern, replacement in keys:
        name = re.sub(pattern, replacement, name)
    return name


def reverse_channels(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Weights for RGB images from weights for BGR images, or the other way round.

    Parameters
    ----------
    tensors : mapping of str to Tensor
    name : str
        The filters of the first convolution, (K, C, R, S): their input channels are put in reverse.

    Raises
    ------
    ValueError
        If there is no such Tensor, or it has no three channels.

    >>> import cnnkit
    >>> filters = cnnkit.tensor([[[[1.0]], [[2.0]], [[3.0]]]])
    >>> reverse_channels({"conv1.weight": filters}, "conv1.weight")["conv1.weight"].flatten()
    tensor([3., 2., 1.])
    """
    if name not in tensors:
        raise no_filters(name, list(tensors))
    shape = tuple(tensors[name].shape)
    if len(shape) < 3 or shape[1] != 3:
        raise ValueError(f"{name} has shape {shape}; the filters of colour images have 3 channels in axis 1")
    return {**tensors, name: tensors[name].flip(1)}


def no_filters(name: str, names: Sequence[str]) -> ValueError:
    """The error where the filters to reverse are not among the names."""
    return ValueError(f"there is no {name!r} whose channels could be reversed; there are "
                      f"{', '.join(names[:8])}{', ...' if len(names) > 8 else ''}")
