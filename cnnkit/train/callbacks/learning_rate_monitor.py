"""LearningRateMonitor: records the learning rate of every update or epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnkit.train.callbacks.callback import Callback
from cnnkit.train.schema import ANY, check, list_of, record

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["LearningRateMonitor"]


class LearningRateMonitor(Callback):
    """Record each parameter group's learning rate.

    Parameters
    ----------
    interval : {"step", "epoch"}
        Whether to record before each update of the weights, or after each epoch.

    Attributes
    ----------
    rates : list of [int, list of float]
        The number of updates made before, and the groups' rates at that point.

    >>> from cnnkit import models, train
    >>> from cnnkit.data import datasets
    >>> monitor = LearningRateMonitor()
    >>> history = train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(train=True), lr=0.01,
    ...                     scheduler="linear", callbacks=[monitor], progress=False)
    >>> len(monitor.rates), monitor.rates[0]
    (45, [0, [0.01]])
    """

    def __init__(self, interval: str = "step"):
        if interval not in ("step", "epoch"):
            raise ValueError(f"interval must be 'step' or 'epoch', got {interval!r}")
        self.interval = interval
        self.rates: list[list] = []

    def on_train_start(self, run: Run) -> None:
        if run.resumed_from is None:
            self.rates = []

    def on_before_optimizer_step(self, run: Run) -> None:
        if self.interval == "step":
            if self.rates and self.rates[-1][0] == run.step:  # an update that an error ended is made again
                self.rates.pop()
            self._record(run)

    def on_train_epoch_end(self, run: Run) -> None:
        if self.interval == "epoch":
            self._record(run)

    def _record(self, run: Run) -> None:
        self.rates.append([run.step, [group["lr"] for group in run.optimizer.param_groups]])

    def state_dict(self) -> dict[str, Any]:
        return {"rates": self.rates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        check(state, record(rates=list_of(list_of(ANY, 2))), "state")
        self.rates = list(state["rates"])
