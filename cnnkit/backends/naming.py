"""Other words for a backend: ``"cuda"`` and ``"gpu"`` mean CuPy, ``"auto"`` the fastest one that is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnkit.backends.plugins import all_backends, kernel_tables

if TYPE_CHECKING:
    from cnnkit.backends.backend import Backend
    from cnnkit.backends.table import KernelTable

__all__ = ["WORDS", "canonical"]

WORDS = {"cuda": "cupy", "gpu": "cupy"}
FASTEST = ("cupy", "cpu", "numpy")  # what "auto" tries, in order


def canonical(name: str) -> str:
    """The name of the backend or table that a user's word means, a device after a colon kept.

    >>> canonical("cuda:1"), canonical("numpy"), canonical("auto") in FASTEST
    ('cupy:1', 'numpy', True)
    """
    word, colon, device = name.partition(":")
    if word in all_backends():
        return name
    if word == "auto" and not colon:
        known: dict[str, Backend | KernelTable] = {table.name: table for table in kernel_tables()}
        known.update(all_backends())
        return next(name for name in FASTEST if name in known and known[name].available() is True)
    return f"{WORDS[word]}{colon}{device}" if word in WORDS else name
