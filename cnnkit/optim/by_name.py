"""Optimizers by name, for whoever trains a whole network with one: those that take any parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cnnkit.optim.adadelta import Adadelta
from cnnkit.optim.adagrad import Adagrad
from cnnkit.optim.adam import Adam
from cnnkit.optim.adamax import Adamax
from cnnkit.optim.adamw import AdamW
from cnnkit.optim.lamb import LAMB
from cnnkit.optim.lars import LARS
from cnnkit.optim.lion import Lion
from cnnkit.optim.nadam import NAdam
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.radam import RAdam
from cnnkit.optim.rmsprop import RMSprop
from cnnkit.optim.sgd import SGD

__all__ = ["BY_NAME"]

BY_NAME: dict[str, Callable[..., Optimizer]] = {
    "sgd": partial(SGD, momentum=0.9), "adam": Adam, "adamw": AdamW, "adadelta": Adadelta, "adagrad": Adagrad,
    "adamax": Adamax, "lamb": LAMB, "lars": LARS, "lion": Lion, "nadam": NAdam, "radam": RAdam,
    "rmsprop": RMSprop}
