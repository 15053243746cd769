"""LastingData: before the first epoch, refuses data that are known not to last for all epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnkit.evaluation.evaluate import check_epochs
from cnnkit.train.callbacks.callback import Callback

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["LastingData"]


class LastingData(Callback):
    """What `fit` adds before `Checkpoint`, which may remove an earlier run's checkpoints when it starts."""

    def on_train_start(self, run: Run) -> None:
        check_epochs("data", run.loader, run.epochs - run.epoch)
        if run.validation is not None:
            check_epochs("validation", run.validation, run.epochs - run.epoch)
