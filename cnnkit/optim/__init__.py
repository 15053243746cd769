"""Optimizers and learning-rate schedules, with PyTorch's names, settings and numbers."""

from typing import Any

from cnnkit import suggestions
from cnnkit.optim import lr_scheduler, swa_utils
from cnnkit.optim.adadelta import Adadelta
from cnnkit.optim.adagrad import Adagrad
from cnnkit.optim.adam import Adam
from cnnkit.optim.adamax import Adamax
from cnnkit.optim.adamw import AdamW
from cnnkit.optim.asgd import ASGD
from cnnkit.optim.lamb import LAMB
from cnnkit.optim.lars import LARS
from cnnkit.optim.lbfgs import LBFGS
from cnnkit.optim.lion import Lion
from cnnkit.optim.muon import Muon
from cnnkit.optim.nadam import NAdam
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.radam import RAdam
from cnnkit.optim.rmsprop import RMSprop
from cnnkit.optim.rprop import Rprop
from cnnkit.optim.sgd import SGD

__all__ = ["ASGD", "LAMB", "LARS", "LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion",
           "Muon", "NAdam", "Optimizer", "RAdam", "RMSprop", "Rprop", "lr_scheduler", "swa_utils"]


def __getattr__(name: str) -> Any:
    raise suggestions.attribute_error(f"module {__name__!r}", name, __all__, suggestions.OPTIM)
