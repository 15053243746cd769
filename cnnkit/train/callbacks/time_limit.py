"""TimeLimit: pauses a run after some time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cnnkit.train.callbacks.callback import Callback

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["TimeLimit"]


class TimeLimit(Callback):
    """Pause the run, as Ctrl-C does, when this call of `fit` has taken so long.

    With a `Checkpoint` the run can go on later.

    Parameters
    ----------
    hours, minutes, seconds : float
        Their sum is the limit; the batch under way is finished.

    >>> from cnnkit import models, train
    >>> from cnnkit.data import datasets
    >>> history = train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(train=True), epochs=9,
    ...                     callbacks=[TimeLimit(seconds=1e-9)], progress=False)
    >>> history.interrupted, len(history)
    (True, 1)
    """

    def __init__(self, *, hours: float = 0.0, minutes: float = 0.0, seconds: float = 0.0):
        self.seconds: float = 3600 * hours + 60 * minutes + seconds
        if not self.seconds > 0:
            raise ValueError(f"a time limit must be above 0 seconds, got {self.seconds:g}")

    def on_train_start(self, run: Run) -> None:
        self._end = time.monotonic() + self.seconds

    def on_train_batch_end(self, run: Run) -> None:
        if time.monotonic() >= self._end:
            run.pause(f"by the time limit of {self.seconds:g} s")
