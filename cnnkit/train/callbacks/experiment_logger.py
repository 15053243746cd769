"""The base of callbacks that send a run's settings and figures to a library that keeps experiments."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnkit.backends import backend_of
from cnnkit.evaluation.evaluate import count
from cnnkit.train.callbacks.callback import Callback
from cnnkit.train.describe import describe

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["ExperimentLogger"]


class ExperimentLogger(Callback):
    """Send settings when the run starts, figures after each epoch, and how it ended.

    Of several processes, the first one alone does. A subclass names its library, and defines `open`, `write`
    and `close`. The library is imported when the callback is made. An error in
    `write` or `close` is a RuntimeWarning, once, and training goes on.
    """

    package = ""  # what it needs, as Python imports it

    def __init__(self) -> None:
        try:
            self.library: Any = importlib.import_module(self.package)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] != self.package:
                raise
            raise ModuleNotFoundError(f"{type(self).__name__} needs the package {self.package}: "
                                      "pip install 'cnnkit[loggers]'", name=self.package) from None

    def open(self, run: Run, settings: dict[str, Any]) -> None:
        """The run starts, or goes on; what cannot be written raises here."""
        raise NotImplementedError

    def write(self, run: Run, epoch: int, figures: dict[str, float]) -> None:
        """An epoch is done."""
        raise NotImplementedError

    def close(self, run: Run, status: str) -> None:
        """The run has ended: ``"finished"``, ``"interrupted"`` or ``"failed"``."""
        raise NotImplementedError

    def on_train_start(self, run: Run) -> None:
        self._warned = False
        if run.writes:
            self.open(run, settings(run))

    def on_train_epoch_end(self, run: Run) -> None:
        row = run.history[-1]
        figures = {name: float(value) for name, value in row.as_dict().items()
                   if isinstance(value, int | float) and name != "epoch"}
        self._attempt(run, lambda: self.write(run, row.epoch, figures))

    def on_train_end(self, run: Run) -> None:
        self._attempt(run, lambda: self.close(run, "interrupted" if run.history.interrupted else "finished"))

    def on_exception(self, run: Run, error: BaseException) -> None:
        self._attempt(run, lambda: self.close(run, "failed"))

    def _attempt(self, run: Run, action: Callable[[], None]) -> None:
        if not run.writes:
            return
        try:
            action()
        except Exception as error:  # a library may fail in any way; hours of training must not
            if not self._warned:
                self._warned = True
                warnings.warn(f"{type(self).__name__} could not log ({type(error).__name__}: {error}); "
                              "training goes on", RuntimeWarning, stacklevel=3)


def settings(run: Run) -> dict[str, Any]:
    """A run's settings as numbers and text, by name."""
    group = run.optimizer.param_groups[0]
    hyper = {name: value for name, value in group.items()
             if isinstance(value, int | float | bool | str) and name != "params"}
    parameters = [*run.model.parameters()]
    return {"model": type(run.model).__name__, "parameters": sum(p.numel() for p in parameters),
            "optimizer": type(run.optimizer).__name__, **hyper, "epochs": run.epochs,
            "loss": describe(run.loss_function),
            "scheduler": "none" if run.scheduler is None else type(run.scheduler).__name__,
            "batches": count(run.loader) or 0,
            "seed": -1 if run.seed is None else run.seed, "precision": run.mixed.name,
            "backend": backend_of(parameters[0].array).name if parameters else "none"}
