"""What a process needs so that its CuPy runs on the software device: variables of its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnkit_softcuda.build import Built

__all__ = ["STREAMS", "environment"]

STREAMS = ("eager", "late", "random")  # as in machine.h


def environment(built: Built, settings: Mapping[str, int]) -> dict[str, str]:
    """Variables for a process: where it finds libraries and modules, how CuPy compiles, and the settings.

    The libraries are loaded before all others, because a cuBLAS that is installed would be found first. CuPy
    hands PTX to the driver instead of a GPU's code, and does without CUB, whose kernels the device lacks.
    What CuPy compiles it keeps apart from what it compiles for GPUs.
    """
    from cnnkit_softcuda import cache

    changes = {"LD_PRELOAD": _before("LD_PRELOAD", *sorted(built.lib.glob("*.so.*"))),
               "PYTHONPATH": _before("PYTHONPATH", built.site),
               "CUPY_COMPILE_WITH_PTX": "1", "CUPY_ACCELERATORS": "",
               "CUPY_CACHE_DIR": str(cache.folder() / "kernels")}
    changes.update({f"SOFTCUDA_{name.upper()}": str(value) for name, value in settings.items()})
    return changes


def _before(name: str, *paths: object) -> str:
    return os.pathsep.join([*map(str, paths), *filter(None, [os.environ.get(name)])])
