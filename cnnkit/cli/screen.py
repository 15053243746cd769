"""The consoles that commands print on: what a user typed is shown as it is, and no line that goes to a file
is cropped.
"""

from __future__ import annotations

from rich.console import Console

__all__ = ["counted", "error_screen", "screen"]

WIDE = 1000  # columns of a file or a pipe


def screen(wide: bool = True) -> Console:
    """The console for standard output: as wide as the terminal, and where there is none, wide enough
    for any table.

    Parameters
    ----------
    wide : bool
        ``False`` for pictures, which are arranged to fit: a file gets them as a terminal of its
        default width does.
    """
    console = Console(markup=False, emoji=False, highlight=False)
    if wide and not console.is_terminal:
        console.width = max(console.width, WIDE)
    return console


def error_screen() -> Console:
    """The console for standard error, whose lines are never broken."""
    return Console(stderr=True, soft_wrap=True, markup=False, emoji=False, highlight=False)


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "epoch"), counted(2000, "image")
    ('1 epoch', '2,000 images')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
