"""Where a model comes from, which every error about it names."""

from __future__ import annotations

from pathlib import Path

from cnnkit.storage import FormatError

__all__ = ["Source"]


class Source:
    """Where a model comes from: what errors call it, its size, and the folder of its external data.

    Attributes
    ----------
    name : str
        The file's path, or what was given instead.
    size : int
        Bytes of the file.
    folder : Path or None
        ``None`` where the model is no file: then it cannot have external data.
    taken : dict of Path to int
        How many bytes were read of each file of external data.
    """

    folder: Path | None
    name: str
    size: int

    def __init__(self, name: str, size: int, folder: Path | None = None):
        self.name, self.size, self.folder = name, size, folder
        self.taken: dict[Path, int] = {}

    def error(self, message: str) -> FormatError:
        """The error that something is wrong with the model."""
        return FormatError(f"{self.name}: {message}")
