"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

__all__ = ["write_atomically"]


def write_atomically(path: Path, data: bytes) -> Path:
    """Write to a temporary file in the same folder, then rename it to `path`.

    Parameters
    ----------
    path : Path
        The file to write; its folder exists.
    data : bytes
        The file's new contents.

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
    ...     write_atomically(Path(folder) / "x.json", b"{}").read_text()
    '{}'
    """
    # threads that write the same file at the same time must not share a temporary one
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
