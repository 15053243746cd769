"""Writing: a file's old or its new contents, whatever happens, and the new ones on the disk afterwards."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import time
from pathlib import Path

from cnnkit.storage.flags import BINARY, INHERIT_NOT, NO_LINK

__all__ = ["append", "make_folder", "remove", "sweep", "write"]

# what cannot be flushed: a pipe, and a folder of some file systems
NOT_SUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)
# opened only if it is not there yet, and never through a symbolic link
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK | BINARY
FOREIGN = 24 * 3600.0  # seconds after which another machine's temporary file counts as left over


def write(path: Path, data: bytes, *, durable: bool = True) -> Path:
    """Replace a file's contents: who reads it, even after a power cut, finds the old ones or the new ones.

    Parameters
    ----------
    path : Path
        The file; its folder exists. A symbolic link is replaced, not followed.
    data : bytes
        Its new contents.
    durable : bool
        Whether they are on the disk when this returns. ``False`` is for what can be made again, such as the
        many files of a cache: after a power cut such a file may be empty or cut off.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OSError
        If it cannot be written; an existing file is unchanged, and no temporary file is left.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(Path(folder) / "x.json", b"{}").read_text()
    '{}'
    """
    if durable:
        sweep(path)
    temporary = path.with_name(f"{_prefix(path)}{_machine()}-{os.getpid()}-{secrets.token_hex(8)}.tmp")
    try:
        file = os.open(temporary, NEW, 0o666)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view):]
            if durable:
                os.fsync(file)
        finally:
            os.close(file)
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno not in (None, errno.EEXIST):
            error.filename, error.filename2 = os.fspath(path), None  # not a name of ours
        raise
    if durable:
        flush_folder(path.parent)
    return path


def append(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Add to a file's end; it is made if it is not there.

    A power cut in the middle leaves what was there before, and none, a part or all of `data`.

    Parameters
    ----------
    path : Path
        The file; its folder exists. A symbolic link is followed: a log may be ``/dev/stdout``.
    data : bytes
        What to add.
    durable : bool
        Whether it, and all that was added before, is on the disk when this returns.

    Raises
    ------
    OSError
        If it cannot be written, or only in part.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     append(Path(folder) / "log", b"1\\n")
    ...     append(Path(folder) / "log", b"2\\n")
    ...     (Path(folder) / "log").read_text()
    '1\\n2\\n'
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | BINARY | INHERIT_NOT, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view):]
        if durable:
            _flush(file)
    finally:
        os.close(file)


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it that are missing; they are on the disk when this returns.

    Raises
    ------
    FileExistsError, OSError
        As `Path.mkdir` does.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     make_folder(Path(root) / "a" / "b").is_dir()
    True
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(missing):
        flush_folder(path.parent)
    return folder


def remove(path: Path) -> None:
    """Remove a file, if it is there, and the temporary files that killed processes have left of it."""
    sweep(path)
    path.unlink(missing_ok=True)


def sweep(path: Path) -> None:
    """Remove the temporary files that killed processes have left of a file.

    A process of this machine that lives still may be writing; other machines' files are left alone for a day.
    """
    pattern = re.compile(re.escape(_prefix(path)) + r"([0-9a-f]+)-(\d+)-[0-9a-f]+\.tmp")
    try:
        names = os.listdir(path.parent)
    except OSError:
        return  # there is no folder, or it cannot be listed: nothing is swept, and writing says what is wrong
    for name in names:
        match = pattern.fullmatch(name)
        if match is None:
            continue
        file = path.with_name(name)
        try:
            here = match[1] == _machine()
            if not _lives(int(match[2])) if here else time.time() - file.lstat().st_mtime > FOREIGN:
                file.unlink()
        except OSError:
            continue  # somebody else has swept it, or it is not ours to remove


def flush_folder(folder: Path) -> None:
    """Put a folder's entries on the disk, where its file system can."""
    if os.name == "nt":  # Windows opens no folders
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return  # it may be written to but not read, so nobody can flush it
    try:
        _flush(handle)
    finally:
        os.close(handle)


def _flush(handle: int) -> None:
    """Put a file or a folder on the disk, if it is of a kind that can be."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise


def _prefix(path: Path) -> str:
    """How the names of a file's temporary files begin."""
    return f".{path.name}."


def _machine() -> str:
    """A short name of this machine, in hexadecimal digits."""
    return platform.node().encode().hex()[:32] or "0"


def _lives(process: int) -> bool:
    """Whether a process of this machine is there."""
    if process == os.getpid():
        return True
    if os.name == "nt":
        return True  # asking would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
