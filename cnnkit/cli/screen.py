"""The consoles that commands print on: no markup in text, and no line cropped that goes to a file."""

from __future__ import annotations

from rich.console import Console

__all__ = ["counted", "error_screen", "say", "screen"]

WIDE = 1000  # columns of a file or a pipe


def screen(wide: bool = True) -> Console:
    """The console for standard output: as wide as the terminal, or without one, as wide as any table.

    Parameters
    ----------
    wide : bool
        ``False`` for pictures, which are arranged to fit rich's default width where there is no terminal.
    """
    console = Console(markup=False, emoji=False, highlight=False)
    if wide and not console.is_terminal:
        console.width = max(console.width, WIDE)
    return console


def error_screen() -> Console:
    """The console for standard error, whose lines are never broken."""
    return Console(stderr=True, soft_wrap=True, markup=False, emoji=False, highlight=False)


def say(console: Console, text: str) -> None:
    """Print a sentence: in a terminal its lines break between words, elsewhere it is one line."""
    console.print(text, soft_wrap=not console.is_terminal)


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "epoch"), counted(2000, "image")
    ('1 epoch', '2,000 images')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
