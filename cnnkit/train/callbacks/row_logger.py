"""The base of the loggers: a text file with a line for each epoch, those before a resumed run included."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnkit.train.callbacks.callback import Callback

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["RowLogger"]


class RowLogger(Callback):
    """Write a line when an epoch is done; a subclass defines `line`. The file's folder is created."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    def line(self, figures: dict[str, Any], first: bool) -> str:
        """The text for one epoch."""
        raise NotImplementedError

    def on_train_start(self, run: Run) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("".join(self.line(row.as_dict(), n == 0) for n, row in enumerate(run.history)),
                             encoding="utf-8")

    def on_train_epoch_end(self, run: Run) -> None:
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(self.line(run.history[-1].as_dict(), len(run.history) == 1))
