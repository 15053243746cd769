"""Which backends are timed: cpu (NumPy with C++ kernels), numpy without them, cupy where there is a GPU, and
those that CNNKIT_BENCH_BACKENDS names, with commas.
"""

from __future__ import annotations

import os

import cnnkit

ASKED = filter(None, map(str.strip, os.environ.get("CNNKIT_BENCH_BACKENDS", "").split(",")))
BACKENDS = list(dict.fromkeys(["cpu", "numpy", "cupy", *ASKED]))


def use(backend: str) -> cnnkit.backends.Backend:
    """Make arrays there from now on; asv skips the benchmark where it is not available."""
    try:
        cnnkit.use(backend)
    except cnnkit.backends.Unavailable as reason:
        raise NotImplementedError(str(reason)) from reason  # asv's way to skip
    return cnnkit.backends.current()
