"""Optimizers and learning-rate schedules, with PyTorch's names, settings and numbers."""

from typing import Any

from cnnkit import suggestions
from cnnkit.optim import lr_scheduler
from cnnkit.optim.adam import Adam
from cnnkit.optim.adamw import AdamW
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]


def __getattr__(name: str) -> Any:
    raise suggestions.attribute_error(f"module {__name__!r}", name, __all__, suggestions.OPTIM)
