"""Locks: who writes to a folder now, so that a second process does not."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from cnnkit.storage.flags import INHERIT_NOT, NO_LINK

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["Lock", "Locked"]


class Locked(OSError):
    """Another process holds the lock; the message says which."""


class Lock:
    """A file that one process at a time holds, with that process's facts in it.

    The operating system gives it back when the process ends, however it ends.

    Parameters
    ----------
    path : Path
        The lock's file; its folder exists.
    subject : str
        What is locked, for messages, such as ``"the model net.safetensors"``.
    facts
        What to write into the file beside the process, the machine and the time; JSON can hold it.

    Raises
    ------
    Locked
        On entering, if another process holds it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Lock(Path(folder) / "lock", "the folder"):
    ...     try:
    ...         with Lock(Path(folder) / "lock", "the folder"):
    ...             pass
    ...     except Locked as error:
    ...         str(error).startswith("the folder is being written by process ")
    True
    """

    facts: dict[str, Any]
    path: Path
    subject: str

    def __init__(self, path: Path, subject: str, **facts: Any):
        self.path, self.subject, self.facts = path, subject, facts
        self._handle: int | None = None

    def __enter__(self) -> Lock:
        flags = os.O_RDWR | os.O_CREAT | NO_LINK | INHERIT_NOT
        while True:
            handle = os.open(self.path, flags, 0o644)
            try:
                self._take(handle)
                # the holder before may have removed the file meanwhile
                if os.path.exists(self.path) and os.path.samestat(os.fstat(handle), os.stat(self.path)):
                    break
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)
        self._handle = handle
        facts = {"process": os.getpid(), "machine": platform.node(),
                 "since": time.strftime("%Y-%m-%d %H:%M:%S"), **self.facts}
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(facts).encode())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()
            os.close(self._handle)  # which gives the lock back
            self._handle = None

    def _take(self, handle: int) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(f"{self.subject} is being written by {self._holder(handle)}; "
                         "wait for it, end it, or name another file") from None
        except OSError:
            return  # a file system without locks: as good as it gets

    def _holder(self, handle: int) -> str:
        try:
            facts = json.loads(os.pread(handle, 4096, 0))
            return f"process {facts['process']} on {facts['machine']} since {facts['since']}"
        except (ValueError, KeyError, TypeError):
            return "another process"
