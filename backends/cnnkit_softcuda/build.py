"""``python -m cnnkit_softcuda.build``: build the software device and put it together with CuPy.

What is built lies in the user's cache: ``lib`` has the libraries, ``site`` a copy of CuPy's package
``cupy_backends`` (links to the installed files) in which one module is replaced. A second run finds it there.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cnnkit_softcuda import cache, extension, libraries

__all__ = ["Built", "build"]

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
RUNTIME = f"runtime{SUFFIX}"
KEPT = 4  # folders of each kind: of other versions of CuPy, of earlier sources


class Built(NamedTuple):
    """The folders of the device's libraries, and of CuPy's package that runs on them."""

    lib: Path
    site: Path


def build() -> Built:
    """The software device for the CuPy that is installed; built if it is not there.

    Raises
    ------
    BuildError
        If something is missing: a compiler, CuPy, CUDA's headers, Cython, or the network for CuPy's sources.
    """
    here = Path(__file__).parent
    files = sorted(path for path in cache.SOURCES.rglob("*") if path.is_file())
    lib = _folder("lib", cache.key(*files, here / "libraries.py", cache.processor()), _libraries)
    runtime = _folder("runtime", cache.key(here / "extension.py"),
                      lambda made, work: extension.runtime_module(made / RUNTIME, cache.folder(), work, lib))
    site = _folder("site", cache.key(here / "build.py", here / "thrust.py", str(runtime)),
                   lambda made, work: _site(made, runtime / RUNTIME))
    return Built(lib, site)


def _folder(kind: str, key: str, make: Callable[[Path, Path], object]) -> Path:
    target = cache.folder() / f"{kind}-{key}"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            made = Path(work, "made")
            made.mkdir()
            make(made, Path(work))
            try:
                os.rename(made, target)
            except OSError:
                if not target.exists():  # else another process has built it meanwhile
                    raise
        for old in sorted(target.parent.glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    os.utime(target)
    return target


def _installed(package: str) -> Path:
    """The folder of a package of CuPy's, as it is installed."""
    found = importlib.util.find_spec(package)
    if found is None or not found.origin:
        raise cache.BuildError("cupy is not installed (pip install cupy-cuda13x)")
    return Path(found.origin).resolve().parent  # also where a folder of links was found


def _libraries(made: Path, work: Path) -> None:
    libraries.libcuda(made, work)
    libraries.cublas(made, work, _installed("cupy_backends") / "cuda" / "libs" / f"cublas{SUFFIX}")


def _site(made: Path, runtime: Path) -> None:
    """Links to CuPy's files, but for the module that links CUDA's runtime statically, and Thrust's sorts."""
    _linked(_installed("cupy_backends"), made / "cupy_backends", Path("cuda", "api", RUNTIME), runtime)
    _linked(_installed("cupy"), made / "cupy", Path("cuda", f"thrust{SUFFIX}"),
            Path(__file__).parent / "thrust.py")


def _linked(source: Path, target: Path, replaced: Path, replacement: Path) -> None:
    """A folder of links to what is in `source`, with another file for one of them."""
    first, *rest = replaced.parts
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.name == first and not rest:
            shutil.copy(replacement, target / replacement.name)
        elif path.name == first:
            _linked(path, target / first, Path(*rest), replacement)
        elif path.name != "__pycache__":
            (target / path.name).symlink_to(path)


if __name__ == "__main__":
    started = time.perf_counter()
    built = build()
    print(f"{built.lib}\n{built.site}\n{time.perf_counter() - started:.1f} s")
