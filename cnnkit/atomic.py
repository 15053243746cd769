"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["write_atomically"]


def write_atomically(path: Path, data: bytes) -> Path:
    """Write a file beside its place, then rename it over what is there.

    Parameters
    ----------
    path : Path
        Where to; its folder exists.
    data : bytes
        What the file holds afterwards.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OSError
        If it cannot be written; the file that was there is as it was, and nothing else is left.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "x.json", b"{}").read_text()
    '{}'
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
