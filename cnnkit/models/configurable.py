"""Configurable: what a model must offer to be saved with its settings and made again from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

__all__ = ["Configurable"]


@runtime_checkable
class Configurable(Protocol):
    """A Module that says which arguments it was made with; its class is named to `register`.

    Two keys have a meaning of their own where a config has them: ``"input_shape"``, (C, H, W) of an image,
    and ``"classes"``, how many scores come out; a saved model's settings then say both. A class whose
    constructor takes both, as ``Net(input_shape, classes=10)``, can be trained by name on the command line.

    >>> from cnnkit import nn
    >>> class Net(nn.Module):
    ...     def __init__(self, width):
    ...         super().__init__()
    ...         self.config = {"width": width}
    ...         self.fc = nn.Linear(64, width)
    >>> isinstance(Net(8), Configurable), isinstance(nn.Linear(1, 1), Configurable)
    (True, False)
    """

    @property
    def config(self) -> Mapping[str, Any]:
        """Arguments of the constructor by name: ``type(model)(**model.config)`` has the same layers.

        Values are what JSON holds: numbers, text, ``None``, and lists and mappings (by text) of them. A tuple
        comes back as a list.
        """
