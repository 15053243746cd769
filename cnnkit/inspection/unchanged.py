"""Looking at a model without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cnnkit import nn, random
from cnnkit.autograd import no_grad

__all__ = ["unchanged"]


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Run `model` in evaluation mode and without tape; then its modes and the random generator
    are as they were.

    >>> from cnnkit import nn
    >>> layer = nn.Dropout(0.5)
    >>> with unchanged(layer):
    ...     layer.training
    False
    >>> layer.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    state = random.get_state()
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        random.set_state(state)
        for module, training in modes:
            module.training = training
