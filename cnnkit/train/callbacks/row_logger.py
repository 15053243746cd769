"""The base of the loggers: a text file with a line for each epoch, those before a resumed run included."""

from __future__ import annotations

import contextlib
import errno
import os
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnkit import storage
from cnnkit.train.callbacks.callback import Callback

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["RowLogger"]

FLUSH_EVERY = 1.0  # seconds; a disk takes some milliseconds to flush, and epochs can be short
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)  # what a run may find at its start and need not end for


class RowLogger(Callback):
    """Write a line when an epoch is done; a subclass defines `line`. The file's folder is created.

    An error in writing is a RuntimeWarning, once, and training goes on: lines that are missing are written
    with the next one, after what has been written of them in part is cut off. Lines are put on the disk after
    a second at the latest, so a power cut costs no others, and no more than a part of the last is there; a
    resumed run writes all lines again.

    Raises
    ------
    OSError
        When the run starts, if the file cannot be there: its folder is read-only, or it is a folder itself.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path: Path = Path(path)

    def line(self, figures: dict[str, Any], first: bool) -> str:
        """The text for one epoch."""
        raise NotImplementedError

    def on_train_start(self, run: Run) -> None:
        self._rows = self._size = 0  # lines, and their bytes, that are whole in the file
        self._warned = self._cut_off = False
        self._flushed, self._on_disk = time.monotonic(), True
        storage.make_folder(self.path.parent)
        data = self._text(run)
        try:
            if self.path.is_symlink() or (self.path.exists() and not self.path.is_file()):
                self.path.write_bytes(data)  # a device, or what a link names, which is kept
            else:
                storage.write(self.path, data)  # an earlier run's lines stay if this fails
        except OSError as error:
            if error.errno not in FULL:
                raise
            self._cut_off = True
            self._warn(error)
        else:
            self._rows, self._size = run.epoch, len(data)

    def on_train_epoch_end(self, run: Run) -> None:
        self._append(run)

    def on_train_end(self, run: Run) -> None:
        if self._rows < run.epoch or not self._on_disk:
            self._append(run, last=True)

    def _text(self, run: Run) -> bytes:
        """The lines that are not in the file yet."""
        rows = list(enumerate(run.history))[self._rows:run.epoch]
        return "".join(self.line(row.as_dict(), n == 0) for n, row in rows).encode()

    def _append(self, run: Run, last: bool = False) -> None:
        data, now = self._text(run), time.monotonic()
        flush = last or now - self._flushed >= FLUSH_EVERY
        try:
            if self._cut_off:
                self._repair()
            storage.append(self.path, data, durable=flush)
        except OSError as error:
            self._cut_off = True
            with contextlib.suppress(OSError):  # else before the next line
                self._repair()
            self._warn(error)
        else:
            self._rows, self._size = run.epoch, self._size + len(data)
            self._on_disk = flush
            if flush:
                self._flushed = now

    def _repair(self) -> None:
        """Cut off what an error left of a line."""
        if self.path.is_file() and self.path.stat().st_size > self._size:
            os.truncate(self.path, self._size)
        self._cut_off = False

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(f"the log {self.path} could not be written ({error.strerror or error}); training "
                          "goes on, and what is missing is written when that is possible", RuntimeWarning,
                          stacklevel=3)
