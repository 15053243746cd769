"""Looking at a model without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cnnkit import nn, random
from cnnkit.autograd import no_grad

__all__ = ["unchanged"]


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Put `model` in evaluation mode without tape; afterwards modes and random generator are as before.

    >>> from cnnkit import nn
    >>> layer = nn.Dropout(0.5)
    >>> with unchanged(layer):
    ...     layer.training
    False
    >>> layer.training
    True
    """
    state = random.get_state()
    try:
        with nn.evaluating(model), no_grad():
            yield
    finally:
        random.set_state(state)
