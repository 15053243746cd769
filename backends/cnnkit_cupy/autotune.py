"""Tiles by measurement, where there is a GPU: each tile of each product is timed once, and kept on disk.

`tune` runs a step again and again, each time with another tile for one of its products. What is kept is found
again only by the same kernels: the key of the file's entries is a hash of their sources. `cnnkit_cupy.choice`
takes what is there before it asks its model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from cnnkit import storage
from cnnkit_cupy import choice, launcher
from cnnkit_cupy.sources import source

__all__ = ["default_path", "load", "save", "tune"]

MODULES = ("conv", "conv_tensor")
LARGEST = 1 << 24  # bytes of a file that is read
Clock = Callable[[Callable[[], Any]], float]


def default_path() -> Path:
    """Where measurements are kept: a file in the user's cache.

    >>> default_path().name
    'cuda-tiles.json'
    """
    import pooch

    return Path(pooch.os_cache("cnnkit")) / "cuda-tiles.json"


@cache
def version() -> str:
    """A hash of the kernels' sources: measurements of others say nothing."""
    return hashlib.sha256("\0".join(map(source, MODULES)).encode()).hexdigest()[:16]


def tune(step: Callable[[], Any], clock: Clock) -> dict[str, dict[str, float]]:
    """Time every tile of every product of `step`, and let `cnnkit_cupy.choice` choose by that from now on.

    Parameters
    ----------
    step : callable
        Runs kernels, with arrays on the device.
    clock : callable
        ``clock(function)`` gives the seconds that a call of `function` takes on the device.

    Returns
    -------
    dict
        The seconds of each tile, that of the whole step, by the product's key; also in `choice.measured`.
    """
    launcher.forget()
    with choice.noted_products() as products:
        step()
    found: dict[str, dict[str, float]] = {}
    for key, tiles in products.items():
        seconds = {}
        for name in tiles:
            choice.measured[key] = {tile: float(tile != name) for tile in tiles}
            launcher.forget()  # plans hold tiles
            seconds[name] = clock(step)
        found[key] = choice.measured[key] = seconds
    launcher.forget()
    return found


def save(path: Path | None = None) -> Path:
    """Keep what was measured, beside what other kernels' measurements are there."""
    path = path or default_path()
    storage.make_folder(path.parent)
    kept = _read(path)
    kept[version()] = {**kept.get(version(), {}), **choice.measured}
    return storage.write(path, json.dumps(kept, indent=1, sort_keys=True).encode())


def load(path: Path | None = None) -> int:
    """Take the measurements of these kernels from the disk; how many there were. A damaged file has none."""
    found = {key: dict(times) for key, times in _read(path or default_path()).get(version(), {}).items()}
    choice.measured.update(found)
    return len(found)


def _read(path: Path) -> dict[str, dict[str, dict[str, float]]]:
    try:
        found = json.loads(storage.read_text(path, LARGEST))
    except (OSError, ValueError):  # none yet, or damaged: it is measured anew
        return {}
    if not isinstance(found, dict):
        return {}
    return {version: {key: times for key, times in products.items() if _valid(times)}
            for version, products in found.items() if isinstance(products, dict)}


def _valid(times: Any) -> bool:
    return isinstance(times, dict) and bool(times) and all(
        type(seconds) in (int, float) and seconds >= 0 for seconds in times.values())
