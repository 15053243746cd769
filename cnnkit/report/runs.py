"""Runs, and what is wrong with them, also of a saved model; and what it takes to repeat them."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cnnkit
from cnnkit.train import Epoch, History
from cnnkit.train.diagnosis import Diagnosis, diagnose

__all__ = ["Run", "diagnosis_of", "history_of", "versions"]

@dataclass(frozen=True)
class Run:
    """A training run: its name, its history, and the settings that repeat it."""

    name: str
    history: History
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_saved(cls, name: str, settings: Mapping[str, Any]) -> Run:
        """The run that a saved model's settings (`models.SavedModel.settings`) tell of."""
        return cls(name, history_of(settings.get("history") or []), settings.get("training") or {})


def history_of(rows: Sequence[Mapping[str, Any]]) -> History:
    """A History from the rows of `History.as_dicts`; figures that they lack are ``nan``.

    >>> history_of([{"epoch": 1, "loss": 0.5, "accuracy": 0.8}])["loss"]
    [0.5]
    """
    known = {"epoch", "loss", "accuracy", "images_per_second", "seconds", "val_loss", "val_accuracy", "lr"}
    epochs = []
    for number, row in enumerate(rows, 1):
        figures = {name: value for name, value in row.items() if name in known}
        metrics = {name: value for name, value in row.items() if name not in known}
        epochs.append(Epoch(**{"epoch": number, "loss": math.nan, "accuracy": None, "seconds": math.nan,
                               "images_per_second": math.nan, **figures}, metrics=metrics))
    return History(epochs)


def diagnosis_of(history: History, layers: Sequence[Mapping[str, Any]]) -> Diagnosis:
    """What `fit(diagnose=True)` found; else what the history and `layers` alone show.

    Parameters
    ----------
    layers : sequence of mapping
        Rows with ``layer``, ``kind`` and ``dead``, the share of a ReLU's units that are 0 for all images.
    """
    if history.diagnosis is not None:
        return history.diagnosis
    rows = [{"mean": None, "std": None, "gradient": None, **row} for row in layers]
    return diagnose([{"step": 1, "layers": rows}], history)


def versions() -> dict[str, str]:
    """The versions that a run's bits may depend on."""
    import numpy

    return {"cnnkit": cnnkit.__version__, "Python": platform.python_version(), "NumPy": numpy.__version__,
            "machine": f"{platform.system()} {platform.machine()}",
            "backend": cnnkit.backends.current().name}
