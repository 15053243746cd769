"""Checkpoint: keeps a run's whole state on the disk, and the best weights."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnkit import storage
from cnnkit.foreign import whole
from cnnkit.safetensors import to_bytes
from cnnkit.train import checkpoints
from cnnkit.train.callbacks.callback import Callback
from cnnkit.train.callbacks.monitor import Monitor
from cnnkit.train.checkpoints import CheckpointError
from cnnkit.train.schema import NUMBER, check, optional, record
from cnnkit.train.state import state_of

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Write checkpoints, from which ``fit(..., resume=True)`` goes on as if nothing had interrupted the run.

    A resumed run ends with the same bits. Checkpoints are written after all other callbacks were called, so
    that they hold what those did. When the run ends, is paused, by a signal or a time limit, or meets an
    error, the last state between two updates is written too; the error gets a note that says how to go on. A
    state whose loss is no finite number is never written.

    Parameters
    ----------
    folder : path
        Where checkpoints are written; it is created, and belongs to one run, which locks it.
    every_n_epochs : int or None
        Write after every so many epochs,
    every_n_batches : int or None
        and within epochs, after so many batches (rounded up to a whole update),
    every_n_seconds : float or None
        or so many seconds after the last checkpoint.
    keep : int or None
        How many of the newest are kept: 2 or more, so that there is one before a damaged one; ``None`` keeps
        all. One that cannot be read does not count.
    monitor : str, optional
        A figure such as ``"val_accuracy"``: the weights of the epoch with its best value are kept as
        ``best.safetensors``, for ``model.load_state_dict(cnnkit.safetensors.load_file(...))``, with the
        epoch and the value in its header (`safetensors.read_metadata`).
    mode : {"auto", "min", "max"}
        Whether lower or higher values are better. ``"auto"``: lower losses, higher accuracies, and what a
        metric declares; another figure needs ``"min"`` or ``"max"``.
    overwrite : bool
        Let a run that is not resumed remove the checkpoints of an earlier one, instead of raising.
    on_error : callable, optional
        Called with the CheckpointError where a checkpoint cannot be written, and training goes on; without
        it the error ends the run.

    Raises
    ------
    FileExistsError
        When a run that is not resumed begins, if the folder has checkpoints of another run.
    storage.Locked
        When a run begins while another one, in this process or elsewhere, writes to the folder.
    CheckpointError
        If a checkpoint cannot be written. Its ``state`` is the run's: ``fit(..., resume=error.state)``.

    >>> import tempfile
    >>> from cnnkit import models, train
    >>> from cnnkit.data import datasets
    >>> from cnnkit.train.callbacks import Checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for epochs in (1, 2):  # the second run goes on where the first one ended
    ...         history = train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(train=False), epochs=epochs,
    ...                             seed=0, callbacks=[Checkpoint(folder)], resume=True, progress=False)
    >>> [row.epoch for row in history]
    [1, 2]
    """

    keeps_state = True
    every_n_batches: int | None
    every_n_epochs: int | None
    keep: int | None
    on_error: (Callable[..., None]) | None
    overwrite: bool

    def __init__(self, folder: str | os.PathLike[str], *, every_n_epochs: int | None = 1,
                 every_n_batches: int | None = None, every_n_seconds: float | None = None,
                 keep: int | None = 2, monitor: str | None = None, mode: str = "auto",
                 overwrite: bool = False, on_error: Callable[[CheckpointError], None] | None = None):
        if keep is not None and keep < 2:
            raise ValueError("keep must be 2 or more, so that a damaged checkpoint has one "
                             f"before it; got {keep}")
        every_n_epochs, every_n_batches, keep = (
            None if value is None else whole(name, value)
            for name, value in (("every_n_epochs", every_n_epochs), ("every_n_batches", every_n_batches),
                                ("keep", keep)))
        self.folder: Path = Path(folder)
        self.every_n_epochs, self.every_n_batches = every_n_epochs, every_n_batches
        self.every_n_seconds = every_n_seconds
        self.keep, self.overwrite, self.on_error = keep, overwrite, on_error
        self.monitor: Monitor | None = None if monitor is None else Monitor(monitor, mode)
        self.best: float | None = None
        self._lock: storage.Lock | None = None
        self._failure: CheckpointError | None = None
        self._unreadable: set[Path] = set()
        self.hint: str = f"fit(..., resume={str(self.folder)!r}) goes on from there."
        self._begun = False
        self._waits = False  # while another process writes

    @property
    def best_path(self) -> Path:
        """Where the best weights are."""
        return self.folder / "best.safetensors"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs away from the folder until the block's end; a run by itself does so while it lasts.

        Raises
        ------
        storage.Locked
            If another run writes to the folder: the message names its process, its machine and since when.
        OSError
            If nothing can be written to the folder.
        """
        self._take()
        try:
            yield
        finally:
            self._give_back()

    @contextmanager
    def locked_for_run(self) -> Iterator[None]:
        """`locked`, if it is not already. That nothing can be written is reported when the run starts."""
        if self._lock is not None:
            yield
            return
        made = not self.folder.exists()
        try:
            self._take()
        except storage.Locked:
            raise
        except OSError:
            pass
        try:
            yield
        finally:
            self._give_back()
            if made:
                with suppress(OSError):  # it holds something, and stays
                    self.folder.rmdir()

    def _take(self) -> None:
        storage.make_folder(self.folder)
        lock = storage.Lock(self.folder / "lock", f"the folder of checkpoints {self.folder}")
        self._lock = lock.__enter__()

    def _give_back(self) -> None:
        if self._lock is not None:
            self._lock.__exit__(None, None, None)
        self._lock = None

    def on_train_start(self, run: Run) -> None:
        self._begun = False
        if self.monitor is not None:
            self.monitor.settle(run)
        if run.resumed_from is None:
            self.best = None
        self._waits = not run.writes
        if run.writes:
            self._begin(run)

    def _begin(self, run: Run) -> None:
        """Look at what the folder holds, and that it can be written to."""
        earlier = checkpoints.numbered(self.folder)
        resumes_earlier = (run.resumed_from is not None
                           and Path(run.resumed_from).resolve() == self.folder.resolve())
        if earlier and not resumes_earlier:
            if not self.overwrite:
                raise FileExistsError(f"{self.folder} holds checkpoints of another run: go on with it "
                                      "(resume=True), choose another folder, or pass overwrite=True")
            for path in reversed(earlier):
                checkpoints.remove(path)
            earlier = []
        self._unreadable = set() if self.keep is None else checkpoints.unreadable(earlier, self.keep)
        self._number = int(earlier[-1].stem.rsplit("-", 1)[1]) + 1 if earlier else 1
        self._batches, self._saved, self._time = 0, (run.epoch, run.batch), time.monotonic()
        self._saved_step, self._failure = run.step, None
        try:
            storage.make_folder(self.folder)
            checkpoints.sweep(self.folder)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            self._report_failure(CheckpointError(
                f"no checkpoint can be written to the folder {self.folder} ({error.strerror or error}); "
                "name one that can be written to", state_of(run)))
        self._begun = True

    def _writes(self, run: Run) -> bool:
        """Whether this process writes; one that takes the place of a lost process begins to."""
        if run.writes and self._waits:
            self._waits = False
            run.resumed_from = str(self.folder)
            self._take()
            self._begin(run)
        return run.writes

    def on_train_batch_end(self, run: Run) -> None:
        if not self._writes(run):
            return
        self._batches += run.batches
        due = self.every_n_batches is not None and self._batches >= self.every_n_batches
        if due or (self.every_n_seconds is not None
                   and time.monotonic() - self._time >= self.every_n_seconds):
            self.save(run)

    def on_train_epoch_end(self, run: Run) -> None:
        if self.monitor is not None and self.monitor.better(value := self.monitor.value(run), self.best):
            self.best = value
            if self._writes(run):
                self._save_best(run, value)
        if not self._writes(run):
            return
        if self.every_n_epochs is not None and run.epoch % self.every_n_epochs == 0:
            self.save(run)

    def on_train_stop(self, run: Run) -> None:
        if not self._writes(run):
            return
        if self._saved != (run.epoch, run.batch) and run.step:
            self.save(run)
        if run.paused and (files := checkpoints.numbered(self.folder)):
            run.history.checkpoint = str(files[-1])
            reason = run.reason or run.interrupt.reason
            run.reporter.note(f"Stopped {reason} in {_epoch(run)}; {self.hint}")

    def on_train_end(self, run: Run) -> None:
        self._begun = False

    def on_exception(self, run: Run, error: BaseException) -> None:
        """Write the last state between two updates, and say on the error where it is."""
        if not self._begun:
            return
        self._begun = False
        try:
            whole = run.standing is not None and run.standing.settle(run, error)
            if whole and run.step and self._saved != (run.epoch, run.batch) and error is not self._failure:
                self.save(run)
        finally:
            if files := checkpoints.numbered(self.folder):
                error.add_note(f"{files[-1]} has the run after {self._saved_step:,} updates, "
                               f"in {_epoch(run)}; {self.hint}")

    def save(self, run: Run) -> None:
        """Write a checkpoint now, and remove those that are no longer kept."""
        loss = run.tally.read()[0]
        if run.tally.total and not math.isfinite(loss):
            return  # checkpoints of finite weights are worth more
        try:
            checkpoints.write(self.folder, self._number, state_of(run))
        except CheckpointError as error:
            self._batches, self._time = 0, time.monotonic()
            self._report_failure(error)
            return
        self._batches, self._saved, self._time = 0, (run.epoch, run.batch), time.monotonic()
        self._saved_step = run.step
        self._number += 1
        if self.keep is not None:
            whole = [path for path in checkpoints.numbered(self.folder) if path not in self._unreadable]
            for path in whole[:-self.keep]:
                checkpoints.remove(path)

    def _save_best(self, run: Run, value: float) -> None:
        assert self.monitor is not None
        facts = {"epoch": str(run.epoch), self.monitor.name: repr(value)}
        try:
            storage.write(self.best_path, to_bytes(run.weights(), facts))
        except OSError as error:
            self._report_failure(CheckpointError(
                f"the best weights, {self.best_path}, could not be written ({error.strerror or error}): "
                "free some space or name a folder that can be written to", state_of(run)))

    def _report_failure(self, error: CheckpointError) -> None:
        self._failure = error
        if self.on_error is None:
            raise error
        self.on_error(error)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.best is None else {"best": self.best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        check(state, record(best=optional(NUMBER), missing=("best",)), "state")
        self.best = state.get("best")


def _epoch(run: Run) -> str:
    return f"epoch {min(run.epoch + 1, run.epochs)} of {run.epochs}"
