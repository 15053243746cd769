"""The timed backends: cpu (NumPy with C++ kernels), numpy (without), cupy, and CNNKIT_BENCH_BACKENDS.

The environment variable names further backends, separated by commas; those not available are skipped.
"""

from __future__ import annotations

import os

import cnnkit

REQUESTED = filter(None, map(str.strip, os.environ.get("CNNKIT_BENCH_BACKENDS", "").split(",")))
BACKENDS = list(dict.fromkeys(["cpu", "numpy", "cupy", *REQUESTED]))


def use(backend: str) -> cnnkit.backends.Backend:
    """Make arrays on this backend from now on; asv skips the benchmark where it is not available."""
    try:
        cnnkit.use(backend)
    except cnnkit.backends.Unavailable as reason:
        raise NotImplementedError(str(reason)) from reason  # asv's way to skip
    return cnnkit.backends.current()
