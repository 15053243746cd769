"""Evaluation without a change to the model: this thread's calls see other modes, and no other thread's do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cnnkit.autograd.tape import mode
from cnnkit.nn.module import Module

__all__ = ["evaluating"]


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """In this thread, until the block's end, the model and all its modules are in evaluation mode.

    Their `train` and `eval` are not called, and their modes stay what they are: other threads, which may
    train or evaluate the same model meanwhile, see nothing of it.

    >>> from cnnkit import nn
    >>> model = nn.Sequential(nn.Dropout())
    >>> with evaluating(model):
    ...     model[0].training
    False
    >>> model[0].training
    True
    """
    outer = mode.evaluated
    mode.evaluated = outer | {id(module) for module in model.modules()}
    try:
        yield
    finally:
        mode.evaluated = outer
