"""Optimizers, with PyTorch's names, settings and numbers."""

from cnnkit.optim.adam import Adam
from cnnkit.optim.adamw import AdamW
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
