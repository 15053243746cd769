"""What cnnkit itself costs: importing it, and its size on disk."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def timeraw_import():
    """A new interpreter imports it."""
    return "import cnnkit"


def track_installed_size():
    """Bytes of its files, C++ libraries and sources of kernels included."""
    total = 0
    for name in ("cnnkit", "cnnkit_numpy", "cnnkit_cpu", "cnnkit_cupy", "cnnkit_emulator"):
        folder = Path(importlib.util.find_spec(name).origin).parent
        total += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return total


track_installed_size.unit = "bytes"
