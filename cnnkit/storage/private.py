"""Private folders: what is loaded as code comes from a folder that nobody else can write to."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

__all__ = ["private_folder"]


def private_folder(*candidates: Path, name: str) -> Path:
    """The first folder that can be made private: this user's own, and closed to all others.

    Parameters
    ----------
    candidates : Path
        Tried in this order; each is created if it is not there.
    name : str
        Of a last one among the temporary files.

    Raises
    ------
    PermissionError
        If there is none; the message says what is wrong with each.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     private_folder(Path(folder) / "cache", name="cnnkit-cache").name
    'cache'
    """
    reasons = []
    for folder in (*candidates, Path(tempfile.gettempdir()) / f"{name}-{_user()}"):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            reason = _unsafe(folder)
        except OSError as error:
            reason = str(error.strerror or error)
        if not reason:
            return folder
        reasons.append(f"{folder}: {reason}")
    raise PermissionError(f"no private folder: {'; '.join(reasons)}")


def _user() -> int | str:
    return os.getuid() if os.name != "nt" else os.environ.get("USERNAME", "user")


def _unsafe(folder: Path) -> str:
    """Why code is not to be loaded from a folder; empty if it may be."""
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        return "it is a symbolic link" if stat.S_ISLNK(status.st_mode) else "it is no folder"
    if not os.access(folder, os.W_OK):
        return "it cannot be written to"
    if os.name == "nt":
        return ""
    if status.st_uid != os.getuid():
        return "it belongs to somebody else"
    if status.st_mode & 0o022:
        os.chmod(folder, 0o700)  # it was open to others, who may have put files into it
        if any(os.lstat(folder / name).st_uid != os.getuid() for name in os.listdir(folder)):
            return "it holds files of somebody else"
    return ""
