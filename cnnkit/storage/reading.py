"""Reading: regular files only, so that a pipe or a device never hangs a program, and within a limit."""

from __future__ import annotations

import errno
import os
import stat

from cnnkit.storage.flags import BINARY, NO_WAIT

__all__ = ["read_bytes", "read_text"]


def read_bytes(path: str | os.PathLike, most: int | None = None, first: int | None = None) -> bytes:
    """The contents of a regular file.

    Parameters
    ----------
    path : path
        Symbolic links are followed.
    most : int, optional
        The largest size in bytes that is read.
    first : int, optional
        Read only so many bytes from the file's start, or as many as there are.

    Raises
    ------
    FileNotFoundError, PermissionError, OSError
        As `open` does.
    ValueError
        If it is no regular file (a pipe, a device), or larger than `most`; nothing of it is read.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "x").write_bytes(b"12345")
    ...     read_bytes(Path(folder) / "x"), read_bytes(Path(folder) / "x", most=5)
    (b'12345', b'12345')
    """
    handle = os.open(path, os.O_RDONLY | NO_WAIT | BINARY)
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{os.fspath(path)} is no regular file (a pipe, a socket or a device); "
                             "copy what it holds into one")
        if most is not None and status.st_size > most:
            raise ValueError(f"{os.fspath(path)} has {status.st_size:,} bytes; at most {most:,} are read")
        return file.read() if first is None else file.read(min(first, status.st_size))


def read_text(path: str | os.PathLike, most: int | None = None) -> str:
    """The contents of a regular file of UTF-8 text; errors as of `read_bytes`, and UnicodeDecodeError."""
    return read_bytes(path, most).decode("utf-8")
