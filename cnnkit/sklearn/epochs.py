"""Epochs of `train.fit`, one a call; between them an estimator numbers them, calls back and stops early."""

from __future__ import annotations

import math
import signal
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from cnnkit import train
from cnnkit.evaluation.contracts import AnyLoss, Loader
from cnnkit.evaluation.evaluate import check_epochs
from cnnkit.evaluation.tally import Tally
from cnnkit.nn import Module
from cnnkit.nn.state import snapshot
from cnnkit.optim import Optimizer
from cnnkit.train import Epoch, History
from cnnkit.train.progress import Reporter, Silent, reporter

__all__ = ["Patience", "run"]


class Numbered(Silent):
    """A reporter that passes on to `inner`, with epochs counted through several calls of `fit`."""

    def __init__(self, inner: Reporter, before: int, last: int):
        self.inner, self.before, self.last = inner, before, last

    def begin(self, epoch: int, epochs: int, batches: int | None) -> None:
        """An epoch starts."""
        self.inner.begin(self.before + epoch, self.last, batches)

    def step(self, tally: Tally) -> None:
        """A batch is done."""
        self.inner.step(tally)

    def validate(self, done: int, batches: int | None) -> None:
        """Validation goes on."""
        self.inner.validate(done, batches)

    def end(self, row: Epoch) -> None:
        """An epoch is done."""
        self.inner.end(replace(row, epoch=self.before + row.epoch))


class Patience:
    """Early stopping: true once `patience` epochs have not lowered the validation loss by more than `tol`.

    `restore` gives the model back the weights of its best epoch.
    """

    def __init__(self, model: Module, patience: int, tol: float):
        self.model, self.patience, self.tol = model, patience, tol
        self.best, self.goal, self.waited, self.state = math.inf, math.inf, 0, snapshot(model)

    def __call__(self, row: Epoch) -> bool:
        assert row.val_loss is not None
        if row.val_loss < self.best:
            self.best, self.state = row.val_loss, snapshot(self.model)
        self.waited = 0 if row.val_loss < self.goal else self.waited + 1
        self.goal = min(self.goal, row.val_loss - self.tol)
        return self.waited >= self.patience

    def restore(self) -> None:
        """Put the best weights back."""
        self.model.load_state_dict(self.state)


def run(model: Module, batches: Loader, history: History, epochs: int, *, optimizer: Optimizer, loss: AnyLoss,
        validation: Loader | None = None, verbose: int | bool = 0,
        after: Iterable[Callable[[Epoch], Any]] = ()) -> None:
    """Train for some epochs, and add them to `history`; a callback in `after` ends it with a true result."""
    check_epochs("X", batches, epochs)
    last = len(history) + epochs
    progress = reporter(bool(verbose))
    try:
        for _ in range(epochs):
            before = len(history)
            epoch_history = train.fit(model, batches, epochs=1, optimizer=optimizer, loss=loss,
                                      validation=validation, progress=Numbered(progress, before, last))
            history.epochs.extend(replace(row, epoch=before + row.epoch) for row in epoch_history)
            if epoch_history.signal not in (None, signal.SIGINT):  # the process is to end: no search goes on
                raise SystemExit(128 + epoch_history.signal)
            if epoch_history.interrupted:
                history.interrupted = True
                warnings.warn(f"Training interrupted by the user in epoch {len(history)} of {last}; "
                              "the estimator keeps what it learnt", ConvergenceWarning, stacklevel=4)
                break
            stops = [callback(history[-1]) for callback in after]  # all are called, also after one that stops
            if any(stops):
                break
    finally:
        progress.close()
