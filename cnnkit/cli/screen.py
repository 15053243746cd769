"""The consoles that commands print on: no markup in text, and no line cropped that goes to a file.

Names of files and classes come from whoever made the files; none may command the terminal.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from cnnkit.storage.printing import printable

__all__ = ["Ended", "counted", "error_screen", "say", "screen", "with_notes"]

WIDE = 1000  # columns of a file or a pipe


class _PlainConsole(Console):
    """A console that shows control characters in whatever it is given as escapes."""

    def render_str(self, text: str, **options: Any) -> Text:  # type: ignore[override]
        return super().render_str(printable(text, keep="\n\t"), **options)

    def render(self, renderable: RenderableType,
               options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text, keep="\n\t"))

    def on_broken_pipe(self) -> None:
        """What rich calls where nobody reads any more; its own ends the process."""
        raise BrokenPipeError(errno.EPIPE, "the output was closed")


class _ErrorConsole(_PlainConsole):
    """A console for messages: where they cannot be written, nobody can be told."""

    def print(self, *objects: Any, **options: Any) -> None:
        with contextlib.suppress(OSError):
            super().print(*objects, **options)


class Ended(Exception):
    """The end of a command: a line for standard error, and the exit status."""

    def __init__(self, line: str, status: int):
        super().__init__(line)
        self.status = status


def screen(wide: bool = True, quiet: bool = False) -> Console:
    """The console for standard output: as wide as the terminal, or without one, as wide as any table.

    Parameters
    ----------
    wide : bool
        ``False`` for pictures, which are arranged to fit rich's default width where there is no terminal.
    quiet : bool
        Print nothing, as all processes do but the first of several.
    """
    console = _PlainConsole(markup=False, emoji=False, highlight=False, quiet=quiet)
    if wide and not console.is_terminal:
        console.width = max(console.width, WIDE)
    return console


def error_screen() -> Console:
    """The console for standard error, whose lines are never broken."""
    return _ErrorConsole(stderr=True, soft_wrap=True, markup=False, emoji=False, highlight=False)


def say(console: Console, text: str) -> None:
    """Print a sentence: in a terminal its lines break between words, elsewhere it is one line."""
    console.print(text, soft_wrap=not console.is_terminal)


def with_notes(error: BaseException, text: str | None = None) -> str:
    """An error's message, or another text, with the notes that were added to the error, as one line."""
    parts = [str(error) if text is None else text, *vars(error).get("__notes__", [])]
    return "; ".join(" ".join(part.split()) for part in parts)


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "epoch"), counted(2000, "image")
    ('1 epoch', '2,000 images')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
