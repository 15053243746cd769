"""The cost of the package: the time to import it, its size on disk, and that of a wheel."""

from __future__ import annotations

import importlib.util
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path


def timeraw_import():
    """A new interpreter imports it."""
    return "import cnnkit"


def files() -> Iterator[tuple[Path, Path]]:
    """Each installed file, C++ libraries and sources of kernels included, and its place in a wheel."""
    for name in ("cnnkit", "cnnkit_numpy", "cnnkit_cpu", "cnnkit_cupy", "cnnkit_emulator"):
        folder = Path(importlib.util.find_spec(name).origin).parent
        yield from ((file, file.relative_to(folder.parent)) for file in folder.rglob("*")
                    if file.is_file() and "__pycache__" not in file.parts)


def track_installed_size():
    """Bytes of the installed files."""
    return sum(file.stat().st_size for file, _ in files())


def track_wheel_size():
    """Bytes of the files in a wheel, which is a deflated zip archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file, place in files():
            wheel.write(file, place)
    return archive.tell()


track_installed_size.unit = track_wheel_size.unit = "bytes"
