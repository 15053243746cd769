"""Reading: regular files only, so that a pipe or a device never hangs a program, and within a limit."""

from __future__ import annotations

import errno
import io
import os
import stat

from cnnkit.storage.errors import FormatError
from cnnkit.storage.flags import BINARY, INHERIT_NOT, NO_WAIT

__all__ = ["open_regular", "read_bytes", "read_text"]

_LARGE = 1 << 16  # bytes


def open_regular(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a regular file for reading; whatever else has that name is refused, and not waited for.

    Parameters
    ----------
    path : path
        Symbolic links are followed.

    Raises
    ------
    FileNotFoundError, PermissionError, OSError
        As `open` does.
    FormatError
        A ValueError: if it is no regular file (a pipe, a device).

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file, open_regular(file.name) as again:
    ...     again.read()
    b''
    """
    handle = os.open(path, os.O_RDONLY | NO_WAIT | BINARY | INHERIT_NOT)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(mode):
            raise FormatError(f"{os.fspath(path)} is no regular file (a pipe, a socket or a device); "
                              "copy what it holds into one")
    except BaseException:
        os.close(handle)
        raise
    return _Regular(io.FileIO(handle, "rb"))


class _Regular(io.BufferedReader):
    """A regular file, of which no more is asked than it has: Python takes the memory for it beforehand."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LARGE:
            size = min(size, max(0, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)


def read_bytes(path: str | os.PathLike[str], most: int | None = None, first: int | None = None) -> bytes:
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
    FormatError
        A ValueError: if it is no regular file (a pipe, a device), or larger than `most`; nothing of it is
        read.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "x").write_bytes(b"12345")
    ...     read_bytes(Path(folder) / "x"), read_bytes(Path(folder) / "x", most=5)
    (b'12345', b'12345')
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise FormatError(f"{os.fspath(path)} has {size:,} bytes; at most {most:,} are read")
        return file.read() if first is None else file.read(min(first, size))


def read_text(path: str | os.PathLike[str], most: int | None = None) -> str:
    """The contents of a regular file of UTF-8 text; errors as of `read_bytes`, and UnicodeDecodeError."""
    return read_bytes(path, most).decode("utf-8")
