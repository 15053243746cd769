"""Progress of a run: a live bar in a terminal, one plain line an epoch elsewhere, or nothing."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cnnkit.evaluation.tally import Tally
from cnnkit.storage.printing import printable
from cnnkit.train.history import Epoch

__all__ = ["Bar", "Guarded", "Lines", "Reporter", "Silent", "Terminal", "reporter"]


class Reporter(Protocol):
    """What the training loop calls to report its progress."""

    def begin(self, epoch: int, epochs: int, batches: int | None) -> None:
        """An epoch starts."""

    def step(self, tally: Tally) -> None:
        """A batch is done; `tally` is read only when there is something to show."""

    def validate(self, done: int, batches: int | None) -> None:
        """The epoch's training is over, and `done` of the `batches` of its validation are done."""

    def end(self, row: Epoch) -> None:
        """An epoch is done."""

    def note(self, text: str) -> None:
        """A message to the user, in whole sentences."""

    def close(self) -> None:
        """The run is over, also after an error."""


class Terminal(Console):
    """A console that raises BrokenPipeError where nobody reads any more; rich's ends the process."""

    def on_broken_pipe(self) -> None:
        """What rich calls on BrokenPipeError."""
        raise BrokenPipeError(errno.EPIPE, "the output was closed")


class Silent:
    """Shows nothing."""

    def begin(self, epoch: int, epochs: int, batches: int | None) -> None: ...
    def step(self, tally: Tally) -> None: ...
    def validate(self, done: int, batches: int | None) -> None: ...
    def end(self, row: Epoch) -> None: ...
    def note(self, text: str) -> None: ...
    def close(self) -> None: ...


class Lines(Silent):
    """One line when an epoch is done."""

    def __init__(self, console: Console):
        self.console = console

    def end(self, row: Epoch) -> None:
        """Print the row."""
        self.note(str(row))

    def note(self, text: str) -> None:
        """Print a text: in a terminal its lines break between words, elsewhere it is one line."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=not self.console.is_terminal)


class Bar(Lines):
    """A live bar with loss, accuracy and images per second, and one line when an epoch is done."""

    TICK = 0.2  # seconds between two reads of the tally, which wait for the device
    shown: float
    started: float

    def __init__(self, console: Console):
        super().__init__(console)
        self.progress: Any = Progress(
            TextColumn("Epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"), TimeRemainingColumn(), console=console,
            transient=True, auto_refresh=False)
        self.progress.start()
        self.task: Any = None

    def begin(self, epoch: int, epochs: int, batches: int | None) -> None:
        """Start a new bar."""
        if self.task is not None:
            self.progress.remove_task(self.task)
        self.task = self.progress.add_task("", total=batches, epoch=f"{epoch}/{epochs}", figures="")
        self.started = self.shown = time.perf_counter()
        self.batches: int = 0

    def step(self, tally: Tally) -> None:
        """Move the bar, at most five times a second."""
        self.batches += 1
        now = time.perf_counter()
        if now - self.shown >= self.TICK:
            self.shown = now
            loss, accuracy = tally.read()
            figures = f"loss {loss:.4f}" + ("" if accuracy is None else f"  accuracy {accuracy:.4f}")
            figures += f"  {tally.images / (now - self.started):,.0f} images/s"
            self.progress.update(self.task, completed=self.batches, figures=figures)
            self.progress.refresh()

    def validate(self, done: int, batches: int | None) -> None:
        """Move the bar through the validation, at most five times a second."""
        now = time.perf_counter()
        if done == 0 or now - self.shown >= self.TICK:
            self.shown = now
            self.progress.update(self.task, completed=done, total=batches, figures="held-out images")
            self.progress.refresh()

    def close(self) -> None:
        """Remove the bar."""
        self.progress.stop()


class Guarded:
    """Passes calls on to a reporter until its output fails, as a pipe that is closed or a full disk does.

    From then on messages go to standard error, and nothing else is shown.

    Parameters
    ----------
    reporter : Reporter
        Whom the calls are for.
    failed : callable
        Called with the first error.

    Attributes
    ----------
    error : OSError or None
        The first error.
    """

    failed: Callable[..., None]
    reporter: Reporter | Silent

    def __init__(self, reporter: Reporter, failed: Callable[[OSError], None]):
        self.reporter, self.failed = reporter, failed
        self.error: OSError | None = None

    def begin(self, epoch: int, epochs: int, batches: int | None) -> None:
        self._pass_on("begin", epoch, epochs, batches)

    def step(self, tally: Tally) -> None:
        self._pass_on("step", tally)

    def validate(self, done: int, batches: int | None) -> None:
        self._pass_on("validate", done, batches)

    def end(self, row: Epoch) -> None:
        self._pass_on("end", row)

    def note(self, text: str) -> None:
        if self.error is None:
            self._pass_on("note", text)
        if self.error is not None:
            with suppress(OSError):  # where that is gone too, nobody can be told
                print(printable(text, keep="\n\t"), file=sys.stderr, flush=True)

    def close(self) -> None:
        self._pass_on("close")

    def _pass_on(self, name: str, *arguments: Any) -> None:
        try:
            getattr(self.reporter, name)(*arguments)
        except OSError as error:
            self.error, output, self.reporter = error, self.reporter, Silent()
            with suppress(OSError):
                output.close()
            self.failed(error)


def reporter(progress: bool | Reporter, console: Console | None = None) -> Reporter:
    """The reporter for ``fit(progress=...)``: a bar or lines for ``True``, `Silent` for ``False``."""
    if not isinstance(progress, bool):
        return progress
    if not progress:
        return Silent()
    console = console or Terminal()
    return Bar(console) if console.is_terminal else Lines(console)
