"""EarlyStopping: ends a run when a figure no longer improves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnkit.autograd import Tensor
from cnnkit.foreign import whole
from cnnkit.train.callbacks.callback import Callback
from cnnkit.train.callbacks.monitor import Monitor
from cnnkit.train.schema import NUMBER, TENSOR, WHOLE, check, mapping_of, optional, record

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["EarlyStopping"]

STATE = record(closed=True, best=optional(NUMBER), best_epoch=WHOLE, waited=WHOLE,
               stopped_epoch=optional(WHOLE), weights=optional(mapping_of(TENSOR)))


class EarlyStopping(Callback):
    """Stop after `patience` epochs without improvement, and give the model the weights of its best epoch.

    Parameters
    ----------
    monitor : str
        The figure to watch: ``"val_loss"``, ``"val_accuracy"``, ``"loss"``, or a metric's name with ``val_``.
    patience : int
        Epochs without improvement after which the run stops.
    min_delta : float
        How much better counts as an improvement.
    mode : {"auto", "min", "max"}
        Whether lower or higher values are better. ``"auto"``: lower losses, higher accuracies, and what a
        metric declares; another figure needs ``"min"`` or ``"max"``.
    restore_best_weights : bool
        Whether the model ends with the weights of the best epoch, however the run ends, unless it is paused.

    Attributes
    ----------
    best, best_epoch : float, int
        The best value so far and its epoch.
    stopped_epoch : int or None
        The epoch after which it stopped the run.

    >>> from cnnkit import models, train
    >>> from cnnkit.data import datasets
    >>> stopping = EarlyStopping("loss", patience=1, min_delta=100)
    >>> history = train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(train=True), epochs=9,
    ...                     callbacks=[stopping], progress=False)
    >>> len(history), stopping.best_epoch
    (2, 1)
    """

    monitor: Monitor
    patience: int
    best_epoch: int
    waited: int

    def __init__(self, monitor: str = "val_loss", patience: int = 3, min_delta: float = 0.0,
                 mode: str = "auto", restore_best_weights: bool = True):
        if patience < 0:
            raise ValueError(f"patience must be 0 or more, got {patience}")
        self.monitor, self.patience = Monitor(monitor, mode, min_delta), whole("patience", patience, 0)
        self.restore_best_weights = restore_best_weights
        self._reset()

    def _reset(self) -> None:
        self.best: float | None = None
        self.best_epoch = self.waited = 0
        self.stopped_epoch: int | None = None
        self.weights: dict[str, Tensor] | None = None

    def on_train_start(self, run: Run) -> None:
        self.monitor.settle(run)
        if run.resumed_from is None:
            self._reset()
        elif self.stopped_epoch is not None:
            run.stop("by early stopping")

    def on_train_epoch_end(self, run: Run) -> None:
        value = self.monitor.value(run)
        if self.monitor.better(value, self.best):
            weights = run.weights() if self.restore_best_weights else None
            self.best, self.best_epoch, self.waited, self.weights = value, run.epoch, 0, weights
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.stopped_epoch = run.epoch
            run.stop("by early stopping")

    def on_train_end(self, run: Run) -> None:
        if self.weights is not None and not run.paused:
            run.model.load_state_dict(self.weights)

    def identity(self) -> dict[str, Any]:
        return {"monitor": self.monitor.name, "patience": self.patience, "min_delta": self.monitor.min_delta,
                "mode": self.monitor.mode, "restore_best_weights": self.restore_best_weights}

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited,
                "stopped_epoch": self.stopped_epoch, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        check(state, STATE, "state")
        for name, value in state.items():
            setattr(self, name, value)
