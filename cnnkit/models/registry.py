"""Models by name: what a saved model's settings are turned back into, without running any code from the file."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from cnnkit import nn
from cnnkit.models.cnn import CNN, CommonCNN

__all__ = ["NAMES", "build"]

NAMES: dict[str, Any] = {"CNN": CNN, "CommonCNN": CommonCNN}


def build(name: str, config: Mapping[str, Any], *, backend: Any = None) -> nn.Module:
    """Make a model from its name and its ``config``.

    Parameters
    ----------
    name : str
        A key of `NAMES`.
    config : mapping
        The model's arguments, as its ``config`` attribute has them; JSON keeps it.
    backend : str, optional
        Where the parameters are made; by default where `cnnkit.use` says.

    Raises
    ------
    ValueError
        If there is no such model, it has no such argument, or an argument makes no sense.

    >>> from cnnkit import models
    >>> model = models.CNN((1, 8, 8), conv=[(4, 3)], hidden=[], classes=2)
    >>> models.build("CNN", model.config).classifier
    Sequential(
      (flatten): Flatten(start_dim=1, end_dim=-1)
      (fc1): Linear(in_features=64, out_features=2, bias=True)
    )
    """
    if name not in NAMES:
        raise ValueError(f"there is no model {name!r}; there are {', '.join(NAMES)}")
    kind: Any = NAMES[name]
    known = [n for n in inspect.signature(kind).parameters if n != "backend"]
    unknown = [n for n in config if n not in known] if isinstance(config, Mapping) else [type(config).__name__]
    if unknown:
        raise ValueError(f"{name} has no argument {unknown[0]!r}; its config has {', '.join(known)}")
    try:
        return kind(**config, backend=backend)
    except TypeError as error:
        raise ValueError(f"{name} cannot be made from the config {dict(config)}: {error}") from error
