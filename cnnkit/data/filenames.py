"""Names of files: which are hidden, which files lie in a folder, and names as text that can be printed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cnnkit.storage import printing

__all__ = ["is_hidden", "printable", "subfolders", "visible_files"]

# what systems and programs leave beside a user's files; compared in lower case
_LITTER = {"__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found",
           "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini"}


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is passed over: it starts with a dot, or a system has made it.

    >>> [is_hidden(name) for name in (".git", "._1.png", "__MACOSX", "Thumbs.db", "@eaDir", "cat")]
    [True, True, True, True, True, False]
    """
    return name.startswith(".") or name.lower() in _LITTER


def printable(path: str | os.PathLike[str]) -> str:
    r"""A name as text that any file, terminal and log takes.

    Bytes of a name that are no UTF-8, which Python keeps as lone surrogates, and control characters such as
    line breaks become escapes; all other characters stay.

    >>> print(printable(os.fsdecode(b"caf\xe9.png")), printable("a\nb"), printable("café"))
    caf\udce9.png a\nb café
    """
    return printing.printable(os.fspath(path))


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder that are not hidden, and links to folders, in the order of their names."""
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not is_hidden(entry.name))


def visible_files(folder: Path) -> list[Path]:
    """The files in a folder and at any depth below it; nothing that is hidden or lies in a hidden folder.

    The order is that of the names of folders and files, character by character ("10.png" before "2.png"), and
    the same on every machine. Links are followed, but for those to a folder that they lie in. A link to
    nothing counts as a file, so that whoever opens it can say that it is broken; pipes and devices do not.
    """
    return list(_walk(folder, frozenset()))


def _walk(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    status = folder.stat()
    place = (status.st_dev, status.st_ino)
    if place in above:
        return
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if is_hidden(entry.name):
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path), above | {place})
        elif entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path)):
            yield Path(entry.path)
