"""Checkpoint: keeps a run's whole state on the disk, and the best weights."""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnkit.safetensors import to_bytes
from cnnkit.train import checkpoints
from cnnkit.train.callbacks.callback import Callback
from cnnkit.train.callbacks.monitor import Monitor
from cnnkit.train.checkpoints import CheckpointError
from cnnkit.train.state import state_of

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Write checkpoints, from which ``fit(..., resume=True)`` goes on to the same bits as a run that
    nothing interrupted.

    It is called after all other callbacks, so that a checkpoint holds what they did. When the run ends or is
    paused, by Ctrl-C or a time limit, the last state is written too. A state with a loss that is no finite
    number is not.

    Parameters
    ----------
    folder : path
        Where to; it is made. It belongs to one run.
    every_n_epochs : int or None
        Write after every so many epochs,
    every_n_batches : int or None
        and within epochs, after so many batches (rounded up to a whole update),
    every_n_seconds : float or None
        or so many seconds after the last.
    keep : int or None
        How many of the newest are kept: 2 or more, so that a damaged one has one before it;
        ``None`` keeps all.
    monitor : str, optional
        A figure such as ``"val_accuracy"``: the weights of the epoch with the best are kept as
        ``best.safetensors``, for ``model.load_state_dict(cnnkit.safetensors.load_file(...))``, with the
        figure in ``best.json``.
    mode : {"auto", "min", "max"}
        Whether less is better, or more.
    overwrite : bool
        A run that is not resumed removes the checkpoints of an earlier one, instead of raising.
    on_error : callable, optional
        Called with the CheckpointError where one cannot be written, and training goes on; without it the
        error ends the run.

    Raises
    ------
    FileExistsError
        When a run that is not resumed begins, if the folder has checkpoints of another.
    CheckpointError
        If a checkpoint cannot be written. Its ``state`` holds the run's: ``fit(..., resume=error.state)``.

    >>> import tempfile
    >>> from cnnkit import models, train
    >>> from cnnkit.data import datasets
    >>> from cnnkit.train.callbacks import Checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for epochs in (1, 2):  # the second run goes on where the first one ended
    ...         history = train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(train=False), epochs=epochs, seed=0,
    ...                             callbacks=[Checkpoint(folder)], resume=True, progress=False)
    >>> [row.epoch for row in history]
    [1, 2]
    """

    def __init__(self, folder: str | os.PathLike, *, every_n_epochs: int | None = 1,
                 every_n_batches: int | None = None, every_n_seconds: float | None = None,
                 keep: int | None = 2, monitor: str | None = None, mode: str = "auto",
                 overwrite: bool = False, on_error: Callable[[CheckpointError], None] | None = None):
        if keep is not None and keep < 2:
            raise ValueError("keep must be 2 or more, so that a damaged checkpoint has one "
                             f"before it; got {keep}")
        for name, value in (("every_n_epochs", every_n_epochs), ("every_n_batches", every_n_batches)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be a whole number, 1 or more; got {value!r}")
        self.folder = Path(folder)
        self.every_n_epochs, self.every_n_batches, self.every_n_seconds = (every_n_epochs,
                                                                           every_n_batches, every_n_seconds)
        self.keep, self.overwrite, self.on_error = keep, overwrite, on_error
        self.monitor = None if monitor is None else Monitor(monitor, mode)
        self.best: float | None = None
        self.hint = f"fit(..., resume={str(self.folder)!r}) goes on from there."

    @property
    def best_path(self) -> Path:
        """Where the best weights are."""
        return self.folder / "best.safetensors"

    def on_train_start(self, run: Run) -> None:
        earlier = checkpoints.numbered(self.folder)
        if earlier and (run.resumed is None or Path(run.resumed).resolve() != self.folder.resolve()):
            if not self.overwrite:
                raise FileExistsError(f"{self.folder} holds checkpoints of another run: go on with it "
                                      "(resume=True), choose another folder, or pass overwrite=True")
            for path in reversed(earlier):
                checkpoints.remove(path)
            earlier = []
        if run.resumed is None:
            self.best = None
        self._number = int(earlier[-1].stem.rsplit("-", 1)[1]) + 1 if earlier else 1
        self._batches, self._saved, self._time = 0, (run.epoch, run.batch), time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            checkpoints.sweep(self.folder)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            self._failed(CheckpointError("no checkpoint can be written to the folder "
                                         f"{self.folder} ({error.strerror or error}); "
                                         "name one that can be written to", state_of(run)))

    def on_train_batch_end(self, run: Run) -> None:
        self._batches += len(run.inputs)
        due = self.every_n_batches is not None and self._batches >= self.every_n_batches
        if due or (self.every_n_seconds is not None
                   and time.monotonic() - self._time >= self.every_n_seconds):
            self.save(run)

    def on_train_epoch_end(self, run: Run) -> None:
        if self.monitor is not None and self.monitor.better(value := self.monitor.value(run), self.best):
            self.best = value
            self._save_best(run, value)
        if self.every_n_epochs is not None and run.epoch % self.every_n_epochs == 0:
            self.save(run)

    def on_train_stop(self, run: Run) -> None:
        if self._saved != (run.epoch, run.batch) and run.step:
            self.save(run)
        if run.paused and (files := checkpoints.numbered(self.folder)):
            run.history.checkpoint = str(files[-1])
            epoch = min(run.epoch + 1, run.epochs)
            run.shown.note(f"Stopped {run.reason or 'by Ctrl-C'} in epoch {epoch} of "
                           f"{run.epochs}; {self.hint}")

    def save(self, run: Run) -> None:
        """Write a checkpoint now, and remove those that are no longer kept."""
        if run.tally.images and not math.isfinite(run.tally.read()[0]):
            return  # earlier ones are worth more
        try:
            checkpoints.write(self.folder, self._number, state_of(run))
        except CheckpointError as error:
            self._batches, self._time = 0, time.monotonic()
            self._failed(error)
            return
        self._batches, self._saved, self._time, self._number = (0, (run.epoch, run.batch),
                                                                time.monotonic(), self._number + 1)
        if self.keep is not None:
            for path in checkpoints.numbered(self.folder)[:-self.keep]:
                checkpoints.remove(path)

    def _save_best(self, run: Run, value: float) -> None:
        assert self.monitor is not None
        text = json.dumps({"epoch": run.epoch, self.monitor.name: value}, indent=1)
        try:
            checkpoints.write_durably(self.best_path, to_bytes(run.weights(), None))
            checkpoints.write_durably(self.best_path.with_suffix(".json"), text.encode())
        except OSError as error:
            self._failed(CheckpointError(f"the best weights, {self.best_path}, "
                                         f"could not be written ({error.strerror or error}): free some space "
                                         "or name a folder that can be written to", state_of(run)))

    def _failed(self, error: CheckpointError) -> None:
        if self.on_error is None:
            raise error
        self.on_error(error)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.best is None else {"best": self.best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best = state.get("best")
